-- Reserves the time of a request that does not begin a page: for a redirect, a retry, robots.txt.
-- ARGV: a URL of the host
-- Returns the milliseconds to wait.
local host = host_of(ARGV[1])
local at = math.max(now, number(SLOTS, host))
redis.call('HSET', SLOTS, host, at + delay(host))
list(host)
return at - now
