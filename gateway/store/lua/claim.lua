-- Claims at most one push for each of several users of one partition: the best candidate whose limits allow it.
-- Each user's claim is all or nothing: the past push and the outbox entry are written together or not at all.
--
-- KEYS[1]  stream outbox: entries {job = bytes}
-- KEYS[2+] string pushes of each user: cmsgpack list, oldest first, of
--            {at_ms, push_id, offer_id, geofence_id, brand, kind}; kind 0 push, 1 transactional, 2 ghost
-- ARGV[1]  most past pushes kept per user
-- ARGV[2]  how long a past push is kept, ms
-- ARGV[3+] one cmsgpack per user, in the order of KEYS[2+]: {at_ms, job, candidates best first}, a candidate being
--            {push_id, offer_id, geofence_id, brand, kind, limits}, a limit
--            {rule, field, value, since_ms, max_pushes, window_ms}; field 3 offer, 4 store, 5 brand, 0 any push;
--          then the candidates' outbox entries: the first of a user's is ARGV[job], in the order of his candidates
-- returns  cmsgpack list, per user {winner from 0 or -1, refusals}, a refusal {rule, free_at_ms or -1};
--            candidates after the winner were not asked
--
-- Limits count as rules.pressure does: past pushes with at_ms > since_ms. Transactional pushes count towards
-- nothing but their own offer; ghosts (held-out users) only towards other ghosts. A push id is claimed once.
local PUSH, TRANSACTIONAL, GHOST = 0, 1, 2
local OFFER = 3
local kept, horizon_ms = tonumber(ARGV[1]), tonumber(ARGV[2])

local function counts(past, field, value, since_ms, kind)
  if past[1] <= since_ms or (field ~= 0 and past[field] ~= value) then
    return false
  elseif past[6] == TRANSACTIONAL then
    return field == OFFER
  end
  return past[6] == PUSH or kind == GHOST
end

local function refusal(candidate, history)
  for _, past in ipairs(history) do
    if past[2] == candidate[1] then
      return {'already_claimed', -1}
    end
  end
  for _, limit in ipairs(candidate[6]) do
    local rule, field, value, since_ms, most, window_ms = unpack(limit)
    local counted = {}
    for _, past in ipairs(history) do
      if counts(past, field, value, since_ms, candidate[5]) then
        counted[#counted + 1] = past[1]
      end
    end
    if #counted >= most then
      local leaves = counted[#counted - most + 1]
      return {rule, (window_ms > 0 and leaves) and leaves + window_ms or -1}
    end
  end
end

local function remember(key, history, at_ms, candidate)
  local place = #history + 1
  while place > 1 and history[place - 1][1] > at_ms do
    place = place - 1
  end
  table.insert(history, place, {at_ms, candidate[1], candidate[2], candidate[3], candidate[4], candidate[5]})
  while #history > kept or history[1][1] < at_ms - horizon_ms do
    table.remove(history, 1)
  end
  redis.call('SET', key, cmsgpack.pack(history), 'PX', horizon_ms)
end

local results = {}
for number = 1, #KEYS - 1 do
  local key = KEYS[1 + number]
  local at_ms, job, candidates = unpack(cmsgpack.unpack(ARGV[2 + number]))
  local stored = redis.call('GET', key)
  local history = stored and cmsgpack.unpack(stored) or {}
  local winner, refusals = -1, {}
  for rank, candidate in ipairs(candidates) do
    local refused = refusal(candidate, history)
    if refused then
      refusals[rank] = refused
    else
      winner = rank - 1
      remember(key, history, at_ms, candidate)
      if candidate[5] ~= GHOST then
        redis.call('XADD', KEYS[1], '*', 'job', ARGV[job + winner])
      end
      break
    end
  end
  results[number] = {winner, refusals}
end
return cmsgpack.pack(results)
