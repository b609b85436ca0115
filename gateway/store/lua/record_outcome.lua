-- Records what happened to a push, each thing once.
--
-- KEYS[1]  string pushes of the user: see claim.lua
-- KEYS[2]  hash   outcomes of the user's pushes: "<push id> <outcome>" -> at_ms
-- ARGV     push id; outcome; at_ms; lifetime in ms
-- returns  {1 recorded, 0 known already, claimed at_ms, offer id, geofence id, variant}, or {-1} if the user has no
--          such push
local stored = redis.call('GET', KEYS[1])
for _, past in ipairs(stored and cmsgpack.unpack(stored) or {}) do
  if past[2] == ARGV[1] then
    local fresh = redis.call('HSETNX', KEYS[2], ARGV[1] .. ' ' .. ARGV[2], ARGV[3])
    redis.call('PEXPIRE', KEYS[2], ARGV[4])
    return {fresh, past[1], past[3], past[4], past[7] or ''}
  end
end
return {-1}
