-- Takes a claim back: the push no longer counts towards any limit, its units and its code may be claimed again.
-- Done twice, it is done once.
--
-- KEYS[1]  string pushes of the user: see claim.lua
-- ARGV     push id; prefix of the partition's budget leases; prefix of the partition's code leases
--          (the keys of what was taken have the partition's hash tag, and only the past push names them)
-- returns  1 if the push was there
local stored = redis.call('GET', KEYS[1])
local history = stored and cmsgpack.unpack(stored) or {}
local refunded
for place, past in ipairs(history) do
  if past[2] == ARGV[1] then
    refunded = table.remove(history, place)
    break
  end
end
if not refunded then
  return 0
end
if #history == 0 then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], cmsgpack.pack(history), 'KEEPTTL')
end
for _, budget_id in ipairs(refunded[8] or {}) do
  local lease = redis.call('GET', ARGV[2] .. budget_id)
  if lease then
    local held = cmsgpack.unpack(lease)
    held[3] = held[3] + 1
    redis.call('SET', ARGV[2] .. budget_id, cmsgpack.pack(held), 'KEEPTTL')
  end
end
if refunded[10] and refunded[10] ~= '' then
  local lease = redis.call('GET', ARGV[3] .. refunded[9])
  if lease then
    local held = cmsgpack.unpack(lease)
    table.insert(held[3], refunded[10])
    redis.call('SET', ARGV[3] .. refunded[9], cmsgpack.pack(held))
  end
end
return 1
