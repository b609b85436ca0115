-- Records that a user bought something after the pushes, and the ghosts, of the time before.
--
-- KEYS[1]  string pushes of the user: see claim.lua
-- KEYS[2]  hash   outcomes of the user's pushes: "<push id> <outcome>" -> at_ms
-- ARGV     at_ms of the purchase; how long before it a push may be, ms; lifetime of the outcomes in ms
-- returns  for each such push {1 if this is the first purchase after it, claimed at_ms, offer id, geofence id, variant,
--          1 if it was a ghost}; transactional pushes sell nothing and are left out
local TRANSACTIONAL, GHOST = 1, 2
local at_ms = tonumber(ARGV[1])
local stored = redis.call('GET', KEYS[1])
local followed = {}
for _, past in ipairs(stored and cmsgpack.unpack(stored) or {}) do
  if past[1] <= at_ms and past[1] > at_ms - ARGV[2] and past[6] ~= TRANSACTIONAL then
    local fresh = redis.call('HSETNX', KEYS[2], past[2] .. ' purchased', ARGV[1])
    redis.call('PEXPIRE', KEYS[2], ARGV[3])
    followed[#followed + 1] = {fresh, past[1], past[3], past[4], past[7] or '', past[6] == GHOST and 1 or 0}
  end
end
return followed
