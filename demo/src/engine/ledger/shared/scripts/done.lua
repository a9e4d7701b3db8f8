-- Notes that a page is done, with all that was found: in one step, so that no link is lost. A repeated request changes
-- nothing.
-- ARGV: URL, token, line of the report or '' if the page counts as none, 1 if it failed, the page's URL after redirects,
--   depth of its links, number of URLs for `scope`; these; a purpose and a link each...
-- Returns 'done', or 'lost' if the lease has expired and another worker may have the page.
note_that_workers_run()
local url, token, line = ARGV[1], ARGV[2], ARGV[3]
if redis.call('HGET', TOKENS, url) ~= token then
  return redis.call('HGET', DONE, url) == token and 'done' or 'lost'
end
unlease(url)
redis.call('HDEL', PAGES, url)
redis.call('HSET', DONE, url, token)
if line == '' then
  redis.call('HINCRBY', META, 'begun', -1)
else
  redis.call('RPUSH', REPORT, line)
  redis.call('HINCRBY', META, 'failed', ARGV[4])
end
local first_link = 8 + tonumber(ARGV[7])
for i = 8, first_link - 1 do
  redis.call('RPUSH', SCOPE, ARGV[i])
end
add(first_link, ARGV[6], ARGV[5])
return 'done'
