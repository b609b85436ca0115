-- Gives up an outbox entry: it goes to the dead letters with its reason, and ends; its claim is given back, or stands.
--
-- KEYS[1]  stream outbox of one partition
-- KEYS[2]  stream dead letters of the partition: {user, job, code, reason}, code where one was drawn
-- KEYS[3]  string pushes of the user: see claim.lua
-- ARGV     consumer group; most dead letters kept; entry id; reason;
--          push id whose claim to give back, "" for none; prefixes of the partition's budget and code leases
-- returns  1, or 0 if the entry was not there (any more)
local found = redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3])[1]
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
if not found then
  return 0
end
local fields = found[2]
fields[#fields + 1] = 'reason'
fields[#fields + 1] = ARGV[4]
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], '*', unpack(fields))
redis.call('XDEL', KEYS[1], ARGV[3])
if ARGV[5] ~= '' then
  give_back(KEYS[3], ARGV[5], ARGV[6], ARGV[7])
end
return 1
