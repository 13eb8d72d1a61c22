-- The quota of one account, on Redis's own clock: workers' clocks may differ, this one cannot.
-- KEYS[1] the account's hash. ARGV: command, the account's windows as JSON, then the command's own. Times are
-- microseconds, rates calls per second. A window: {name, calls, seconds, reserve, floor, is_cap}.
--   take    calls rate burst reserve lane  -> {wait, at, what}: 0 = granted in the bucket and in every window at once, or
--                                             in none. `what` to wait for: 0 the rate, -1 a refusal, else the
--                                             window's place
--   spend   calls at                       -> {1, now, total, noted, ...of each window}: granted calls begin now; or {0}:
--                                             granted so long ago that a window has forgotten them
--   return  calls at                       -> {0}
--   slow    retry_after                    -> {0}
--   lift                                   -> {0}: a human says that calls are taken again: limits as they were told count no more
--   full    window                         -> {0}: it was refused there, whatever we counted
--   observe used limit                     -> {0}: of an account without windows
--   told    JSON of {name, used, limit, at, total, noted}, the last three as `spend` gave them -> {0}
--   state                                  -> JSON
-- Fields: tokens, at (of last refill), factor (share of the rate in force, 1 = all), factor_at (since when it recovers;
-- ahead of now while a refusal is being served), halved_at, blocked_until, used, limit, usage_at; windows (packed), lanes
-- (packed). The first nine mean what they meant before there were windows.
local HALVE = 0.5                -- multiplicative decrease after a refusal
local FLOOR = 1 / 32             -- never slower than this share, so that recovery is noticed
local RECOVERY_STEP = 0.1        -- additive increase for each clean window
local RECOVERY_WINDOW = 5000000  -- 5 s without a refusal
local SAME_REFUSAL = 1000000     -- refusals this close together are one: calls under way when the first came
local BULK_STOPS_AT = 0.95       -- share of a long quota (a day's calls) at which lanes with a reserve pause
local USAGE_TRUSTED = 60000000   -- after this, one call may ask how the quota stands now
local KEPT = 86400000            -- ms an account outlives its last use, if no window is longer
local SLICES = 200               -- of a window: a call is forgotten at most a 200th of it too late
local DRIFT = 1.005              -- windows are this much longer here: between our stamp and theirs lies a network
local CUSHION = 2.5              -- standard deviations of what others call between two answers
local MOST_CUSHION = {hot = 0.03, bulk = 0.1}  -- share of the window: else nobody would call, and none would be told
local ASKS_AFTER = 3600          -- s: of windows as long as this a call may ask whether they have begun anew
local OFF_BY = 10                -- calls under way, by which the CRM's count may be below ours
local OVERTAKING = 4             -- slices after a call in which others of ours begin that may come to the CRM before it
local HOT_PER_BULK = 4           -- while both lanes wait, hot calls for each bulk one
local PAUSE = 50000              -- where nothing says how long to wait
local LANE_WAITS = 2000000       -- a lane that was told to wait is expected back within this, or its own wait
local LANE_GRACE = 500000
local PACED = 600                -- s: windows as short as this are not used up in one go, but evenly
local PACE = 1.1                 -- so much faster than evenly, that what was missed is made up for
local AT_ONCE = 0.05             -- share of the window that may be called at once
local LONGEST_REFUSAL = 86400000000  -- a day: whoever is told to wait longer was told so by a clock that was wrong

local key, command = KEYS[1], ARGV[1]
local asked = cjson.decode(ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local stored = redis.call('HMGET', key, 'tokens', 'at', 'factor', 'factor_at', 'blocked_until', 'used', 'limit', 'usage_at',
  'halved_at', 'windows', 'lanes')
-- A bucket nobody knows (first use, or Redis was wiped) holds one token, not a burst: wiping Redis grants no second burst.
local tokens = tonumber(stored[1]) or 1
local at = tonumber(stored[2]) or now
local factor = tonumber(stored[3]) or 1
local factor_at = tonumber(stored[4]) or now
local blocked_until = tonumber(stored[5]) or 0
local windows = stored[10] and cmsgpack.unpack(stored[10]) or {}
local lanes = stored[11] and cmsgpack.unpack(stored[11]) or {hot = 0, bulk = 0, owed = 0, full_until = 0}

-- A clock that was ahead and was set back: what it stamped counts as of now, else nobody would call until it is there again.
if blocked_until > now + LONGEST_REFUSAL then blocked_until = now end
at, factor_at = math.min(at, now), math.min(factor_at, math.max(now, blocked_until))
local usage_at, halved_at = math.min(tonumber(stored[8]) or 0, now), math.min(tonumber(stored[9]) or 0, now)
for _, lane in ipairs({'hot', 'bulk'}) do lanes[lane] = math.min(lanes[lane], now + LANE_WAITS + LANE_GRACE) end

-- A window is a log of slices {number, own calls, others' calls}, oldest first, with the sums of both.
local function forget(window)
  local kept, latest = {}, math.floor(now / window.slice)
  for _, slice in ipairs(window.log) do
    slice[1] = math.min(slice[1], latest)
    if (slice[1] + 1) * window.slice + window.length <= now then
      window.own, window.others = window.own - slice[2], window.others - slice[3]
    else
      kept[#kept + 1] = slice
    end
  end
  window.log = kept
end

local function note(window, own, others)
  local number, last = math.floor(now / window.slice), window.log[#window.log]
  if not last or last[1] < number then
    last = {number, 0, 0}
    window.log[#window.log + 1] = last
  end
  last[2], last[3] = last[2] + own, last[3] + others
  window.own, window.others, window.noted = window.own + own, window.others + others, window.noted + others
end

local function take_off_oldest(window, calls)
  for _, slice in ipairs(window.log) do
    local others = math.min(slice[3], calls)
    local own = math.min(slice[2], calls - others)
    slice[2], slice[3] = slice[2] - own, slice[3] - others
    window.own, window.others = window.own - own, window.others - others
    calls = calls - own - others
  end
end

-- Own calls granted at `granted_at` that were not begun then. False where the window has forgotten them.
local function take_off_grant(window, granted_at, calls)
  local number = math.floor(granted_at / window.slice)
  for _, slice in ipairs(window.log) do
    if slice[1] == number then
      local own = math.min(slice[2], calls)
      slice[2], window.own = slice[2] - own, window.own - own
      return own == calls
    end
  end
  return false
end

local function open_windows()
  for _, wanted in ipairs(asked) do
    local slice, length = math.floor(wanted.seconds * 1000000 / SLICES), math.floor(wanted.seconds * 1000000 * DRIFT)
    local window = windows[wanted.name]
    if not window then
      window = {own = 0, others = 0, noted = 0, told_at = 0, log = {}, slice = slice, began = now}
      windows[wanted.name] = window
    elseif window.slice ~= slice then  -- it was set to another length: what was counted is counted as of now
      local own, others = window.own, window.others
      window.own, window.others, window.log, window.slice = 0, 0, {}, slice
      note(window, own, others)
    end
    window.length, window.seconds = length, wanted.seconds
    window.told_at, window.asked_at = math.min(window.told_at, now), math.min(window.asked_at or 0, now)
    window.began = math.min(window.began, now)
    if #window.log == 0 then window.began = now end
    window.limit = window.told or wanted.calls
    if wanted.is_cap then window.limit = math.min(window.limit, wanted.calls) end
    forget(window)
  end
end

-- Calls go out evenly: in one go they would leave nothing to a hot lead or to other applications until they are forgotten,
-- and would be forgotten in one go, again and again.
local function wait_for_pace(window, wanted, calls, spare)
  if wanted.seconds > PACED then return 0 end
  local seen = math.max(window.length / 5, math.min(window.length, now - window.began))  -- others are counted since then
  local room = window.limit - window.others * window.length / seen
  local rate = PACE * math.max(window.limit / 10, room) / wanted.seconds
  calls = calls + spare
  local most = math.max(calls, window.limit * AT_ONCE)
  window.pace = math.min(most, (window.pace or 1) + math.max(0, now - (window.pace_at or now)) * rate / 1000000)
  window.pace_at = now
  return window.pace >= calls and 0 or math.ceil((calls - window.pace) * 1000000 / rate)
end

-- Until `calls` more, of which ours as well as all have a limit, fit in and leave `spare`; 0 = they do.
local function wait_in(window, wanted, calls, spare, lane)
  local limit, cushion = math.max(window.limit, calls), 0
  calls = calls + math.min(spare, limit - calls)
  if window.others > 0 and window.told_at > 0 then
    local unseen = math.min(1, (now - window.told_at + window.slice) / window.length) * window.others
    cushion = math.min(limit * MOST_CUSHION[lane], unseen + CUSHION * math.sqrt(unseen))
  end
  if lane == 'bulk' then limit = math.max(calls, limit * (1 - wanted.floor)) end
  local over = window.own + window.others + calls - math.max(calls, limit - cushion)
  local own_over = window.own + calls - math.max(calls, window.limit * (1 - wanted.reserve))
  if over <= 0 and own_over <= 0 then return 0 end
  if over > 0 and own_over <= 0 and not wanted.is_cap and wanted.seconds >= ASKS_AFTER and window.told_at > 0
    and now - math.max(window.told_at, window.asked_at or 0) > math.max(USAGE_TRUSTED, window.slice) then
    window.asked_at = now
    return 0
  end
  for _, slice in ipairs(window.log) do
    over, own_over = over - slice[2] - slice[3], own_over - slice[2]
    if over <= 0 and own_over <= 0 then
      return math.max(1000, (slice[1] + 1) * window.slice + window.length - now)
    end
  end
  return PAUSE
end

-- While the other lane waits and it is its turn, a call is left to it.
local function spare_for_other(lane)
  if lane == 'hot' then return lanes.bulk > now and lanes.owed >= HOT_PER_BULK and 1 or 0 end
  return lanes.hot > now and lanes.owed < HOT_PER_BULK and 1 or 0
end

local function note_lane(lane, wait, what)
  if wait == 0 then
    if lane == 'bulk' then lanes.owed = 0 elseif lanes.bulk > now then lanes.owed = lanes.owed + 1 end
    lanes[lane] = 0
    lanes.full_until = 0
  elseif what ~= -1 and (lane == 'hot' or wait <= LANE_WAITS) then
    lanes[lane] = math.max(lanes[lane], now + math.min(wait, LANE_WAITS) + LANE_GRACE)
  end
  if what > 0 and wait > LANE_GRACE then
    lanes.full_until, lanes.full, lanes.full_for = now + wait, asked[what].name, lane
  end
end

local function take(calls, rate, burst, reserve, lane)
  local steps = math.floor((now - factor_at) / RECOVERY_WINDOW)
  if steps > 0 then
    factor = math.min(1, factor + steps * RECOVERY_STEP)
    factor_at = factor_at + steps * RECOVERY_WINDOW
  end
  local force, capacity = rate * factor, math.max(burst, calls)
  local spare = spare_for_other(lane)
  reserve = stored[1] and math.max(0, math.min(math.max(reserve, spare), capacity - calls)) or 0
  tokens = math.min(capacity, tokens + math.max(0, now - math.max(at, blocked_until)) * force / 1000000)
  at = now
  local used, limit = tonumber(stored[6]), tonumber(stored[7])
  local wait, what = 0, 0
  if blocked_until > now then
    wait, what = blocked_until - now, -1
  elseif reserve > 0 and #asked == 0 and limit and used >= BULK_STOPS_AT * limit and now - usage_at < USAGE_TRUSTED then
    wait, what = USAGE_TRUSTED - (now - usage_at), -1
  elseif tokens < calls + reserve then
    wait = math.ceil((calls + reserve - tokens) * 1000000 / force)
  end
  for place, wanted in ipairs(what == 0 and asked or {}) do
    local window = windows[wanted.name]
    local longer = math.max(wait_in(window, wanted, calls, spare, lane), wait_for_pace(window, wanted, calls, spare))
    if longer > wait then wait, what = longer, place end
  end
  note_lane(lane, wait, what)
  if wait == 0 then
    tokens = tokens - calls
    for _, wanted in ipairs(asked) do
      local window = windows[wanted.name]
      window.pace = (window.pace or calls) - calls
      note(window, calls, 0)
    end
  end
  return {wait, now, what}
end

local function spend(calls, granted_at)
  for _, wanted in ipairs(asked) do
    local window = windows[wanted.name]
    if (math.floor(granted_at / window.slice) + 1) * window.slice + window.length <= now then return {0} end
  end
  local answer = {1, now}
  for _, wanted in ipairs(asked) do
    local window = windows[wanted.name]
    take_off_grant(window, granted_at, calls)
    note(window, calls, 0)
    answer[#answer + 1] = window.own + window.others
    answer[#answer + 1] = window.noted
  end
  return answer
end

local function slow(retry_after)
  if now >= blocked_until and now - halved_at > SAME_REFUSAL then
    factor = math.max(FLOOR, factor * HALVE)
    redis.call('HSET', key, 'halved_at', string.format('%.0f', now))
  end
  blocked_until = math.max(blocked_until, now + math.ceil(retry_after * 1000000))
  factor_at = math.max(factor_at, blocked_until)
  tokens = math.min(tokens, 0)
end

-- What the CRM counted when a call of ours came to it. More than we counted is others'; less, by more than may be under
-- way, is what its window has forgotten already.
local function hear(said)
  local window = windows[said.name]
  if not window then return end
  window.told, window.told_at = said.limit, now
  local known = said.total + math.max(0, window.noted - said.noted)  -- below it: Redis was wiped meanwhile
  local began_in = math.floor(said.at / window.slice)
  for _, slice in ipairs(window.log) do  -- those may have been faster
    if slice[1] > began_in and slice[1] <= began_in + OVERTAKING then known = known + slice[2] end
  end
  if said.used > known then
    note(window, 0, said.used - known)
  elseif known - said.used > OFF_BY then
    take_off_oldest(window, known - said.used - OFF_BY)
  end
end

local function describe()
  local shown = {}
  for name, window in pairs(windows) do
    forget(window)
    shown[#shown + 1] = {name = name, own = window.own, others = window.others, limit = window.limit,
      seconds = window.seconds}
  end
  local full = lanes.full_until > now
  return cjson.encode({factor = factor, blocked_seconds = math.max(0, blocked_until - now) / 1000000,
    used = tonumber(stored[6]), limit = tonumber(stored[7]), windows = #shown > 0 and shown or nil,
    full = full and lanes.full or nil, full_lane = full and lanes.full_for or nil,
    full_seconds = full and (lanes.full_until - now) / 1000000 or nil})
end

if command == 'state' then return describe() end
open_windows()
local answer = {0}
if command == 'take' then
  answer = take(tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7])
elseif command == 'spend' then
  answer = spend(tonumber(ARGV[3]), tonumber(ARGV[4]))
elseif command == 'return' then
  tokens = tokens + tonumber(ARGV[3])  -- what is beyond the burst is cut off by the next take
  for _, wanted in ipairs(asked) do
    local window, calls = windows[wanted.name], tonumber(ARGV[3])
    if window.pace then window.pace = window.pace + calls end
    take_off_grant(window, tonumber(ARGV[4]), calls)
  end
elseif command == 'slow' then
  slow(tonumber(ARGV[3]))
elseif command == 'lift' then
  blocked_until, factor_at = math.min(blocked_until, now), math.min(factor_at, now)
  lanes.full_until = 0
  for _, wanted in ipairs(asked) do windows[wanted.name].told = nil end  -- the next answer tells it anew
elseif command == 'full' then
  for _, wanted in ipairs(asked) do
    local window = windows[wanted.name]
    if wanted.name == ARGV[3] then
      note(window, 0, math.max(0, math.floor(window.limit) - window.own - window.others))
      window.told_at = now
    end
  end
elseif command == 'observe' then
  redis.call('HSET', key, 'used', ARGV[3], 'limit', ARGV[4], 'usage_at', string.format('%.0f', now))
elseif command == 'told' then
  for _, said in ipairs(cjson.decode(ARGV[3])) do hear(said) end
end

-- %.0f and %.17g: Lua's own conversion would cut microseconds to 14 digits.
redis.call('HSET', key, 'tokens', string.format('%.17g', tokens), 'at', string.format('%.0f', at),
  'factor', string.format('%.17g', factor), 'factor_at', string.format('%.0f', factor_at),
  'blocked_until', string.format('%.0f', blocked_until), 'lanes', cmsgpack.pack(lanes))
if #asked > 0 then redis.call('HSET', key, 'windows', cmsgpack.pack(windows)) end
local kept = KEPT
for _, wanted in ipairs(asked) do kept = math.max(kept, math.ceil(wanted.seconds * 1000 * DRIFT)) end
redis.call('PEXPIRE', key, kept)
return answer
