-- Takes a claim back: the push no longer counts towards any limit, its units and its code may be claimed again.
-- Done twice, it is done once. A function of the scripts that it stands before, which hand these on:
--
-- KEYS[..] key: string pushes of the user, see claim.lua
-- ARGV     push_id; budgets, codes: prefixes of the partition's leases of budgets and of codes
--          (the keys of what was taken have the partition's hash tag, and only the past push names them)
-- returns  1 if the push was there
local function give_back(key, push_id, budgets, codes)
  local stored = redis.call('GET', key)
  local history = stored and cmsgpack.unpack(stored) or {}
  local refunded
  for place, past in ipairs(history) do
    if past[2] == push_id then
      refunded = table.remove(history, place)
      break
    end
  end
  if not refunded then
    return 0
  end
  if #history == 0 then
    redis.call('DEL', key)
  else
    redis.call('SET', key, cmsgpack.pack(history), 'KEEPTTL')
  end
  for _, budget_id in ipairs(refunded[8] or {}) do
    local lease = redis.call('GET', budgets .. budget_id)
    if lease then
      local held = cmsgpack.unpack(lease)
      held[3] = held[3] + 1
      redis.call('SET', budgets .. budget_id, cmsgpack.pack(held), 'KEEPTTL')
    end
  end
  if refunded[10] and refunded[10] ~= '' then
    local lease = redis.call('GET', codes .. refunded[9])
    if lease then
      local held = cmsgpack.unpack(lease)
      table.insert(held[3], refunded[10])
      redis.call('SET', codes .. refunded[9], cmsgpack.pack(held))
    end
  end
  return 1
end
