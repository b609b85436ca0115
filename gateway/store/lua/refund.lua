-- Takes a claim back: the push no longer counts towards any limit. Done twice, it is done once.
--
-- KEYS[1]  string pushes of the user: see claim.lua
-- ARGV     push id
-- returns  1 if the push was there
local stored = redis.call('GET', KEYS[1])
local history = stored and cmsgpack.unpack(stored) or {}
for place, past in ipairs(history) do
  if past[2] == ARGV[1] then
    table.remove(history, place)
    if #history == 0 then
      redis.call('DEL', KEYS[1])
    else
      redis.call('SET', KEYS[1], cmsgpack.pack(history), 'KEEPTTL')
    end
    return 1
  end
end
return 0
