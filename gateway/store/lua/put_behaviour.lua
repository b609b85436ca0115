-- Keeps what users did, each only if neither that nor the user's profile has changed since they were read: nothing is
-- kept of who withdrew his consent, or was erased, meanwhile. (In a cluster one partition a call.)
--
-- KEYS     for each user: string profile, string behaviour; both 8 bytes version, then the document
-- ARGV     lifetime in ms; for each user: version of the profile, version of the behaviour ("" absent), new value
-- returns  the places, from 0, of those of whom something had changed; nothing of theirs is written
local lost = {}
for place = 0, #KEYS / 2 - 1 do
  local profile, behaviour, at = KEYS[2 * place + 1], KEYS[2 * place + 2], 3 * place + 2
  if redis.call('GETRANGE', profile, 0, 7) == ARGV[at] and redis.call('GETRANGE', behaviour, 0, 7) == ARGV[at + 1] then
    redis.call('SET', behaviour, ARGV[at + 2], 'PX', ARGV[1])
  else
    lost[#lost + 1] = place
  end
end
return lost
