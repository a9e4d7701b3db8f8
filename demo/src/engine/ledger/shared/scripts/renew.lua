-- Renews leases, so that slow pages stay with their worker.
-- ARGV: URL, token, URL, token...
-- Returns the tokens of expired leases.
note_that_workers_run()
local lost = {}
for i = 1, #ARGV, 2 do
  if redis.call('HGET', TOKENS, ARGV[i]) == ARGV[i + 1] then
    redis.call('ZADD', LEASES, now + number(META, 'lease'), ARGV[i])
  else
    lost[#lost + 1] = ARGV[i + 1]
  end
end
return lost
