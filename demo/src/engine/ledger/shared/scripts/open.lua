-- Joins a job; the first worker creates it, with the first pages.
-- ARGV: version of these keys, settings, milliseconds of a lease, milliseconds between two requests to a
--   host, a purpose and a first URL each...
-- Returns: 'created', 'joined' or 'complete'; or 'version' or 'settings' with those of the job, if they differ.
local status = redis.call('HGET', META, 'status')
if not status then
  redis.call('HSET', META, 'version', ARGV[1], 'settings', ARGV[2], 'lease', ARGV[3], 'delay', ARGV[4])
  redis.call('HSET', META, 'status', 'running', 'created', now, 'renewed', now)
  add(5, 0, '')
  return { 'created' }
end
local version, settings = unpack(redis.call('HMGET', META, 'version', 'settings'))
if version ~= ARGV[1] then
  return { 'version', version }
elseif settings ~= ARGV[2] then
  return { 'settings', settings }
end
return { status == 'complete' and 'complete' or 'joined' }
