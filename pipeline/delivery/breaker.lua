-- One breaker per destination, shared by all workers, on Redis's clock. Closed is the absence of the key.
-- KEYS[1] the breaker. ARGV: command, then the command's own. Times are microseconds.
--   ask      probe_lease                           -> microseconds to wait, 0 = go on (as the one probe, if half-open)
--   decline                                        -> 0 (the probe found nothing to send: somebody else may)
--   success                                        -> 1 if calls were halted until now
--   failure  threshold first_open longest reason   -> 1 if calls are halted from now on
--   halt     for_long reason                       -> the same
-- Fields: failures (in a row), opened (times in a row), open_until, probe_until, reason.
local KEPT = 86400000  -- ms a breaker is remembered after its last use

local key, command = KEYS[1], ARGV[1]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local function integer(value) return string.format('%.0f', value) end

if command == 'success' then
  local was_open = redis.call('HEXISTS', key, 'open_until')
  redis.call('DEL', key)
  return was_open
end

if command == 'decline' then
  if redis.call('EXISTS', key) == 1 then redis.call('HSET', key, 'probe_until', 0) end
  return 0
end

local stored = redis.call('HMGET', key, 'failures', 'opened', 'open_until', 'probe_until')
local failures = tonumber(stored[1]) or 0
local opened = tonumber(stored[2]) or 0
local open_until = tonumber(stored[3])
local probe_until = tonumber(stored[4]) or 0

if command == 'ask' then
  if not open_until then return 0 end
  if open_until > now then return open_until - now end
  if probe_until > now then return probe_until - now end
  -- Half-open: the first to ask is the probe. Should it die, another one is let through after its lease.
  redis.call('HSET', key, 'probe_until', integer(now + tonumber(ARGV[2])))
  return 0
end

if command == 'failure' then
  failures = failures + 1
  redis.call('HSET', key, 'failures', failures, 'reason', ARGV[5])
  -- Calls that were under way when it opened fail too: they say nothing new.
  local is_probe = open_until and open_until <= now
  if is_probe or (not open_until and failures >= tonumber(ARGV[2])) then
    opened = opened + 1
    local delay = math.min(tonumber(ARGV[4]), tonumber(ARGV[3]) * 2 ^ math.min(opened - 1, 30))
    redis.call('HSET', key, 'opened', opened, 'open_until', integer(now + delay), 'probe_until', 0)
  end
elseif command == 'halt' then
  local ends = math.max(open_until or 0, now + tonumber(ARGV[2]))
  redis.call('HSET', key, 'failures', failures + 1, 'opened', opened + 1, 'open_until', integer(ends),
    'probe_until', 0, 'reason', ARGV[3])
end
redis.call('PEXPIRE', key, KEPT)
if not open_until and redis.call('HEXISTS', key, 'open_until') == 1 then return 1 end
return 0
