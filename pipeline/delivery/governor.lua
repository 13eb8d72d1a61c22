-- One token bucket per destination, on Redis's own clock: workers' clocks may differ, this one cannot.
-- KEYS[1] the bucket. ARGV: command, then the command's own. Times are microseconds, rates tokens per second.
--   take    tokens rate burst reserve   -> microseconds to wait, 0 = granted
--   return  tokens                      -> 0 (what is beyond the burst is cut off by the next take)
--   slow    retry_after                 -> 0
--   observe used limit                  -> 0
-- Fields: tokens, at (of last refill), factor (share of the rate in force, 1 = all), factor_at (since when it recovers;
-- ahead of now while a refusal is being served), halved_at, blocked_until, used, limit, usage_at.
local HALVE = 0.5                -- multiplicative decrease after a refusal
local FLOOR = 1 / 32             -- never slower than this share, so that recovery is noticed
local RECOVERY_STEP = 0.1        -- additive increase for each clean window
local RECOVERY_WINDOW = 5000000  -- 5 s without a refusal
local SAME_REFUSAL = 1000000     -- refusals this close together are one: calls under way when the first came
local BULK_STOPS_AT = 0.95       -- share of a long quota (a day's calls) at which lanes with a reserve pause
local USAGE_TRUSTED = 60000000   -- after this, one call may ask how the quota stands now
local KEPT = 86400000            -- ms a bucket outlives its last use

local function now_microseconds()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local key, command = KEYS[1], ARGV[1]
local now = now_microseconds()
local stored = redis.call('HMGET', key, 'tokens', 'at', 'factor', 'factor_at', 'blocked_until', 'used', 'limit', 'usage_at',
  'halved_at')
-- A bucket nobody knows (first use, or Redis was wiped) holds one token, not a burst: wiping Redis grants no second burst.
local tokens = tonumber(stored[1]) or 1
local at = tonumber(stored[2]) or now
local factor = tonumber(stored[3]) or 1
local factor_at = tonumber(stored[4]) or now
local blocked_until = tonumber(stored[5]) or 0
local wait = 0

if command == 'take' then
  local wanted, rate, burst, reserve = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
  local windows = math.floor((now - factor_at) / RECOVERY_WINDOW)
  if windows > 0 then
    factor = math.min(1, factor + windows * RECOVERY_STEP)
    factor_at = factor_at + windows * RECOVERY_WINDOW
  end
  local force = rate * factor
  local capacity = math.max(burst, wanted)
  reserve = stored[1] and math.max(0, math.min(reserve, capacity - wanted)) or 0
  tokens = math.min(capacity, tokens + math.max(0, now - math.max(at, blocked_until)) * force / 1000000)
  at = math.max(now, at)
  local used, limit, usage_at = tonumber(stored[6]), tonumber(stored[7]), tonumber(stored[8]) or 0
  if blocked_until > now then
    wait = blocked_until - now
  elseif reserve > 0 and limit and used >= BULK_STOPS_AT * limit and now - usage_at < USAGE_TRUSTED then
    wait = USAGE_TRUSTED - (now - usage_at)
  elseif tokens >= wanted + reserve then
    tokens = tokens - wanted
  else
    wait = math.ceil((wanted + reserve - tokens) * 1000000 / force)
  end
elseif command == 'return' then
  tokens = tokens + tonumber(ARGV[2])
elseif command == 'slow' then
  local halved_at = tonumber(stored[9]) or 0
  if now >= blocked_until and now - halved_at > SAME_REFUSAL then
    factor = math.max(FLOOR, factor * HALVE)
    redis.call('HSET', key, 'halved_at', string.format('%.0f', now))
  end
  blocked_until = math.max(blocked_until, now + math.ceil(tonumber(ARGV[2]) * 1000000))
  factor_at = math.max(factor_at, blocked_until)
  tokens = math.min(tokens, 0)
elseif command == 'observe' then
  redis.call('HSET', key, 'used', ARGV[2], 'limit', ARGV[3], 'usage_at', string.format('%.0f', now))
end

-- %.0f and %.17g: Lua's own conversion would cut microseconds to 14 digits.
redis.call('HSET', key, 'tokens', string.format('%.17g', tokens), 'at', string.format('%.0f', at),
  'factor', string.format('%.17g', factor), 'factor_at', string.format('%.0f', factor_at),
  'blocked_until', string.format('%.0f', blocked_until))
redis.call('PEXPIRE', key, KEPT)
return wait
