-- Claims at most one push for each of several users of one partition: the best candidate whose limits and budgets
-- allow it. Each user's claim is all or nothing: past push, units, code and outbox entry, or none of them.
--
-- KEYS[1]  stream outbox: entries {user = user id, job = bytes, code = the drawn code, where one was}
-- KEYS[2+] string pushes of each user: cmsgpack list, oldest first, of
--            {at_ms, push_id, offer_id, geofence_id, brand, kind, variant, budget ids, pool, code}; kind 0 push,
--            1 transactional, 2 ghost; the last three only where something was taken
-- KEYS[..] string lease of each budget: cmsgpack {received, returned, units}, see grant.lua; and
--          string lease of each code pool: cmsgpack {batch, returns, codes, returning}, see lend_codes.lua
-- ARGV[1]  how many users: KEYS[2] to KEYS[users + 1]
-- ARGV[2]  most past pushes kept per user
-- ARGV[3]  how long a past push is kept, ms
-- ARGV[4+] one cmsgpack per user, in the order of KEYS[2+]: {user id, at_ms, job, candidates best
--            first}, a candidate being {push_id, offer_id, geofence_id, brand, kind, variant, limits, budgets, pools}, a
--            limit
--            {rule, field, value, since_ms, max_pushes, window_ms}; field 3 offer, 4 store, 5 brand, 0 any push;
--            a budget, and the one pool or none, {rule, id, index of its lease in KEYS, 1 if it is known to be spent};
--          then the candidates' outbox entries: the first of a user's is ARGV[job], in the order of his candidates
-- returns  cmsgpack list, per user {winner from 0, refusals, {}}, a refusal {rule, free_at_ms or -1}; winner -1 if all
--            were refused; -2 if leases must be filled first: then the third is their indexes in KEYS, and
--            nothing was decided for the user; candidates after the winner were not asked
--
-- Limits count as rules.pressure does: past pushes with at_ms > since_ms. Transactional pushes count towards
-- nothing but their own offer; ghosts (held-out users) only towards other ghosts, and take nothing. A push id is
-- claimed once.
local TRANSACTIONAL, GHOST = 1, 2
local OFFER = 3
local users, kept, horizon_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

local leases = {}
local function lease(index)
  if not leases[index] then
    local stored = redis.call('GET', KEYS[index])
    leases[index] = stored and cmsgpack.unpack(stored) or {0, 0, 0}
  end
  return leases[index]
end

local pools = {}
local function pool(index)
  if not pools[index] then
    local stored = redis.call('GET', KEYS[index])
    pools[index] = stored and cmsgpack.unpack(stored) or {0, 0, {}, {}}
  end
  return pools[index]
end

local function counts(past, field, value, since_ms, kind)
  if past[1] <= since_ms or (field ~= 0 and past[field] ~= value) then
    return false
  elseif past[6] == TRANSACTIONAL then
    return field == OFFER
  end
  return past[6] ~= GHOST or kind == GHOST
end

local function refusal_by_limit(candidate, history)
  for _, past in ipairs(history) do
    if past[2] == candidate[1] then
      return {'already_claimed', -1}
    end
  end
  for _, limit in ipairs(candidate[7]) do
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

local function refusal_by_budget(candidate, lacking)
  for _, budget in ipairs(candidate[8]) do
    local rule, _, index, is_spent = unpack(budget)
    if lease(index)[3] < 1 then
      if is_spent == 1 then
        return {rule, -1}
      end
      lacking[#lacking + 1] = index
    end
  end
  for _, wanted in ipairs(candidate[9]) do
    local rule, _, index, is_spent = unpack(wanted)
    if #pool(index)[3] == 0 then
      if is_spent == 1 then
        return {rule, -1}
      end
      lacking[#lacking + 1] = index
    end
  end
end

local function take(candidate)
  local taken, drawn_from, code = {}, '', ''
  for place, budget in ipairs(candidate[8]) do
    local held = lease(budget[3])
    held[3] = held[3] - 1
    redis.call('SET', KEYS[budget[3]], cmsgpack.pack(held), 'KEEPTTL')
    taken[place] = budget[2]
  end
  for _, wanted in ipairs(candidate[9]) do
    local held = pool(wanted[3])
    code = table.remove(held[3])
    redis.call('SET', KEYS[wanted[3]], cmsgpack.pack(held))
    drawn_from = wanted[2]
  end
  return taken, drawn_from, code
end

local function remember(key, history, past)
  local place = #history + 1
  while place > 1 and history[place - 1][1] > past[1] do
    place = place - 1
  end
  table.insert(history, place, past)
  while #history > kept or history[1][1] < past[1] - horizon_ms do
    table.remove(history, 1)
  end
  redis.call('SET', key, cmsgpack.pack(history), 'PX', horizon_ms)
end

local function win(user, key, history, at_ms, candidate, job)
  local past = {at_ms, unpack(candidate, 1, 6)}
  if candidate[5] ~= GHOST then
    local taken, drawn_from, code = take(candidate)
    if #taken > 0 or code ~= '' then
      past[8], past[9], past[10] = taken, drawn_from, code
    end
    if code ~= '' then
      redis.call('XADD', KEYS[1], '*', 'user', user, 'job', job, 'code', code)
    else
      redis.call('XADD', KEYS[1], '*', 'user', user, 'job', job)
    end
  end
  remember(key, history, past)
end

local function decide(user, key, at_ms, candidates, first_job)
  local stored = redis.call('GET', key)
  local history = stored and cmsgpack.unpack(stored) or {}
  local refusals = {}
  for rank, candidate in ipairs(candidates) do
    local lacking = {}
    local refused = refusal_by_limit(candidate, history)
    if not refused and candidate[5] ~= GHOST then
      refused = refusal_by_budget(candidate, lacking)
    end
    if refused then
      refusals[rank] = refused
    elseif #lacking > 0 then
      return {-2, {}, lacking}
    else
      win(user, key, history, at_ms, candidate, ARGV[first_job + rank - 1])
      return {rank - 1, refusals, {}}
    end
  end
  return {-1, refusals, {}}
end

local results = {}
for number = 1, users do
  local user, at_ms, first_job, candidates = unpack(cmsgpack.unpack(ARGV[3 + number]))
  results[number] = decide(user, KEYS[1 + number], at_ms, candidates, first_job)
end
return cmsgpack.pack(results)
