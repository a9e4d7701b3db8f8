-- Follows the prelude in every script but `open`: the job may have been removed.
if redis.call('EXISTS', META) == 0 then
  return redis.error_reply('GONE there is no such job')
end
