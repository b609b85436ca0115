-- Takes a claim back: see give_back.lua.
--
-- KEYS[1]  string pushes of the user
-- ARGV     push id; prefix of the partition's budget leases; prefix of the partition's code leases
-- returns  1 if the push was there
return give_back(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
