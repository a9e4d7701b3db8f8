-- Slows a host down for all workers: it refused a request, or its robots.txt asks for a delay.
-- ARGV: a URL of the host, milliseconds of a pause that begins now, least milliseconds between two requests
local host = host_of(ARGV[1])
local pause, asked = tonumber(ARGV[2]), tonumber(ARGV[3])
if asked > number(DELAYS, host) then
  redis.call('HSET', DELAYS, host, asked)
  pause = math.max(pause, asked) -- the last request may have been a moment ago
end
redis.call('HSET', SLOTS, host, math.max(now + pause, number(SLOTS, host)))
list(host)
return 'slowed'
