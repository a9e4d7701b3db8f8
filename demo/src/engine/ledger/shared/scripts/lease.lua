-- Leases pages to a worker, each from a host whose next request may begin now. Hosts take turns.
-- ARGV: worker, number of this request, most pages, most pages in the whole job or 0, the worker's own limit of pages from
--   a host or 0, the job's limit from a host, the job's limit from a loopback host, length of `scope` that the worker
--   knows; then each host of which the worker has pages, and how many.
-- Returns JSON: status; pages, each with a token; the new part of `scope`; milliseconds until a host may begin.
note_that_workers_run()
local status = redis.call('HGET', META, 'status')
if status == 'complete' then
  return cjson.encode({ status = status })
end
local worker = job .. 'worker:' .. ARGV[1]
if redis.call('HGET', worker, 'request') == ARGV[2] then
  return redis.call('HGET', worker, 'reply') -- the first reply was lost
end

for _, url in ipairs(redis.call('ZRANGEBYSCORE', LEASES, '-inf', now, 'LIMIT', 0, 1000)) do
  give_back(url)
end

local most_in_all, own_limit = tonumber(ARGV[4]), tonumber(ARGV[5])
local left = most_in_all > 0 and most_in_all - number(META, 'begun') or math.huge
local room = math.min(tonumber(ARGV[3]), left)
local own = {}
for i = 9, #ARGV, 2 do
  own[ARGV[i]] = tonumber(ARGV[i + 1])
end

local function is_loopback(host)
  local name = string.match(host, '://(%[[^%]]*%])') or string.match(host, '://([^:]*)')
  return name == 'localhost' or name == '[::1]' or string.match(name, '%.localhost$') or string.match(name, '^127%.')
end

local function is_full(host)
  if own_limit > 0 then
    return (own[host] or 0) >= own_limit
  end
  return number(ACTIVE, host) >= tonumber(is_loopback(host) and ARGV[7] or ARGV[6])
end

local function take(host)
  local url = redis.call('LPOP', job .. 'queue:' .. host)
  local token = ARGV[1] .. '-' .. ARGV[2] .. '-' .. redis.call('HINCRBY', META, 'begun', 1)
  local depth, purpose, referrer = string.match(redis.call('HGET', PAGES, url), '^(%d+)(%a) (.*)$')
  redis.call('HINCRBY', META, 'queued', -1)
  redis.call('HINCRBY', ACTIVE, host, 1)
  redis.call('ZADD', LEASES, now + number(META, 'lease'), url)
  redis.call('HSET', TOKENS, url, token)
  redis.call('HSET', SLOTS, host, now + delay(host))
  list(host)
  own[host] = (own[host] or 0) + 1
  return { url = url, depth = tonumber(depth), purpose = purpose, referrer = referrer, token = token }
end

local pages = {}
repeat
  local before = #pages
  for _, host in ipairs(redis.call('ZRANGEBYSCORE', HOSTS, '-inf', now)) do
    if #pages < room and not is_full(host) then
      pages[#pages + 1] = take(host)
    end
  end
until #pages == before

local reply = { status = 'running' }
local scope = redis.call('LRANGE', SCOPE, ARGV[8], -1)
if #scope > 0 then
  reply.scope = scope
end
if #pages > 0 then
  reply.pages = pages
  redis.call('HSET', worker, 'request', ARGV[2], 'reply', cjson.encode(reply))
  redis.call('PEXPIRE', worker, number(META, 'lease'))
elseif redis.call('ZCARD', LEASES) == 0 and (number(META, 'queued') == 0 or left <= 0) then
  redis.call('HSET', META, 'status', 'complete', 'completed', now)
  reply.status = 'complete'
else
  local next = redis.call('ZRANGEBYSCORE', HOSTS, '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  reply.wait = next[2] and tonumber(next[2]) - now
end
return cjson.encode(reply)
