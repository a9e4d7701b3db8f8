-- The beginning of every script of a job: the keys, the clock, and how a page enters and leaves a queue.
--
-- A URL is in `seen` from the moment it is known. Until its page is done it is also in `pages`, and either in the queue
-- of its host or in `leases`, never in both. Other workers see a script as one step.
--
--   meta        hash    status, settings, counts
--   seen        set     all URLs that are known, and the targets of redirects
--   pages       hash    URL of a page that is not done -> its depth and purpose, a space, and the page that linked to it
--                       first
--   queue:HOST  list    URLs of the pages of a host that no worker has
--   hosts       zset    hosts with a queue -> when their next request may begin
--   slots       hash    host -> when its next request may begin
--   delays      hash    host -> the time between two requests that its robots.txt asks for
--   active      hash    host -> the number of its pages that workers have
--   leases      zset    URL of a page that a worker has -> when it returns to its queue
--   tokens      hash    URL of a page that a worker has -> the token of this lease
--   redirects   hash    target of a redirect -> URL of the page that it belongs to
--   scope       list    URLs whose servers became part of the crawl, because a first page was redirected to them
--   done        hash    URL of a page that is done -> the token of the lease under which it was done
--   report      list    its line of the report
--   worker:ID   hash    the last request of a worker and its reply
--
-- All times are milliseconds of Redis' clock, so the clocks of the workers do not matter.
local job = KEYS[1]
local META, SEEN, PAGES, HOSTS = job .. 'meta', job .. 'seen', job .. 'pages', job .. 'hosts'
local SLOTS, DELAYS, ACTIVE = job .. 'slots', job .. 'delays', job .. 'active'
local LEASES, TOKENS = job .. 'leases', job .. 'tokens'
local REDIRECTS, SCOPE, DONE, REPORT = job .. 'redirects', job .. 'scope', job .. 'done', job .. 'report'

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- A number of a hash; 0 if it is not there.
local function number(key, field)
  return tonumber(redis.call('HGET', key, field) or 0)
end

-- The scheme, name and port of a URL.
local function host_of(url)
  return string.match(url, '^%a[%w+.-]*://[^/?#]*')
end

-- The least time between two requests to a host.
local function delay(host)
  return math.max(number(META, 'delay'), number(DELAYS, host))
end

-- Adds a host to `hosts` if it has a queue, and removes it otherwise.
local function list(host)
  if redis.call('EXISTS', job .. 'queue:' .. host) == 1 then
    redis.call('ZADD', HOSTS, number(SLOTS, host), host)
  else
    redis.call('ZREM', HOSTS, host)
  end
end

-- Adds pages whose URLs were not seen before, to the ends of their queues: those of ARGV from this position. The first
-- letter of each is the purpose for which it is fetched.
local function add(first, depth, referrer)
  local added, hosts = 0, {}
  for i = first, #ARGV do
    local purpose, url = string.sub(ARGV[i], 1, 1), string.sub(ARGV[i], 2)
    if redis.call('SADD', SEEN, url) == 1 then
      local host = host_of(url)
      redis.call('HSET', PAGES, url, depth .. purpose .. ' ' .. referrer)
      redis.call('RPUSH', job .. 'queue:' .. host, url)
      added, hosts[host] = added + 1, true
    end
  end
  redis.call('HINCRBY', META, 'queued', added)
  for host in pairs(hosts) do
    list(host)
  end
end

-- Ends a lease.
local function unlease(url)
  redis.call('ZREM', LEASES, url)
  redis.call('HDEL', TOKENS, url)
  redis.call('HINCRBY', ACTIVE, host_of(url), -1)
end

-- Ends a lease whose page is not done, and returns the page to the front of its queue.
local function give_back(url)
  local host = host_of(url)
  unlease(url)
  redis.call('LPUSH', job .. 'queue:' .. host, url)
  redis.call('HINCRBY', META, 'queued', 1)
  redis.call('HINCRBY', META, 'begun', -1)
  list(host)
end

-- Notes that a worker is connected. If none was for half a lease, Redis itself was down: the workers could not renew
-- their leases, so these restart.
local function note_that_workers_run()
  local lease = number(META, 'lease')
  if now - number(META, 'renewed') > lease / 2 then
    for _, url in ipairs(redis.call('ZRANGE', LEASES, 0, -1)) do
      redis.call('ZADD', LEASES, now + lease, url)
    end
  end
  redis.call('HSET', META, 'renewed', now)
end
