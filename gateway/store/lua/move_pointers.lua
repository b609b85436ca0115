-- Carries out a part of a settled commit; done twice, or late, it is done once.
--
-- KEYS[1]  string plan: see plan_commit.lua
-- KEYS[2]  hash   pointers of one kind: document id -> "<document version> <body token>"
-- KEYS[3]  string the part of the version's changes that is carried out; it is kept from here on
-- ARGV     version; then id and new pointer ("" deletes) of each document
-- returns  1, or 0 if the commit is over already
if redis.call('GET', KEYS[1]) ~= '=' .. ARGV[1] then
  return 0
end
for place = 2, #ARGV, 2 do
  if ARGV[place + 1] == '' then
    redis.call('HDEL', KEYS[2], ARGV[place])
  else
    redis.call('HSET', KEYS[2], ARGV[place], ARGV[place + 1])
  end
end
redis.call('PERSIST', KEYS[3])
return 1
