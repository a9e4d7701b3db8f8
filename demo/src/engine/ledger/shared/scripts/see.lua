-- Marks the target of a redirect as seen, as a part of the page that redirects. If that page is fetched again, by this
-- worker or by another, the target still belongs to it.
-- ARGV: target, URL of the page
-- Returns 1 if the target belongs to the page, 0 if it has a line of its own.
if redis.call('SADD', SEEN, ARGV[1]) == 1 then
  redis.call('HSET', REDIRECTS, ARGV[1], ARGV[2])
  return 1
end
return redis.call('HGET', REDIRECTS, ARGV[1]) == ARGV[2] and 1 or 0
