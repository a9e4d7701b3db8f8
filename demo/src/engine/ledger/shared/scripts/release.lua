-- Returns pages to their queues at once, because their worker exits.
-- ARGV: URL, token, URL, token...
for i = 1, #ARGV, 2 do
  if redis.call('HGET', TOKENS, ARGV[i]) == ARGV[i + 1] then
    give_back(ARGV[i])
  end
end
return 'released'
