-- Puts a dead letter whose claim still stands back into the outbox.
--
-- KEYS[1]  stream outbox of one partition
-- KEYS[2]  stream dead letters of the partition: see bury.lua
-- ARGV     id of the dead letter
-- returns  1, or 0 if it was not there (any more)
local found = redis.call('XRANGE', KEYS[2], ARGV[1], ARGV[1])[1]
if not found then
  return 0
end
local fields = {}
for place = 1, #found[2], 2 do
  if found[2][place] ~= 'reason' then
    fields[#fields + 1] = found[2][place]
    fields[#fields + 1] = found[2][place + 1]
  end
end
redis.call('XADD', KEYS[1], '*', unpack(fields))
redis.call('XDEL', KEYS[2], ARGV[1])
return 1
