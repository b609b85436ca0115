-- Grants units of a budget to a partition's lease, and books what leases have given back.
--
-- KEYS[1]  hash   budget: "out" units granted and not returned; per partition p "g:p" ever granted, "r:p" ever returned
-- ARGV[1]  most units that may be out
-- ARGV[2]  units the first partition below needs now; 0 only books
-- ARGV[3]  a grant is this fraction (1/n) of what is left, if that is more
-- ARGV[4]  lifetime of the budget in ms after this; 0 forever
-- ARGV[5+] three per partition: its number, units its lease ever received, units it ever returned
-- returns  {units left to grant, units ever granted to the first partition,
--           {partition, units ever granted, ...} of those below to whom a grant is still on its way}
--
-- Both sides keep totals that only grow, so every message may be lost, repeated or late: a lease takes what was ever
-- granted less what it ever received (accept_grant.lua); the budget gets back what was ever returned less what it
-- has booked. A grant is made only when the last one has arrived. So out >= units in leases + units claimed.
local key = KEYS[1]
local function number(field)
  return tonumber(redis.call('HGET', key, field) or '0')
end

local out = number('out')
local on_their_way = {}
for place = 5, #ARGV, 3 do
  local partition, received, returned = ARGV[place], tonumber(ARGV[place + 1]), tonumber(ARGV[place + 2])
  local granted, booked = number('g:' .. partition), number('r:' .. partition)
  if received > granted then
    out = out + received - granted
    redis.call('HSET', key, 'g:' .. partition, received)
  elseif received < granted then
    on_their_way[#on_their_way + 1] = tonumber(partition)
    on_their_way[#on_their_way + 1] = granted
  end
  if returned > booked then
    out = out - (returned - booked)
    redis.call('HSET', key, 'r:' .. partition, returned)
  end
end
local left = math.max(0, tonumber(ARGV[1]) - out)
local want = tonumber(ARGV[2])
local first = 'g:' .. ARGV[5]
if want > 0 and left > 0 and number(first) <= tonumber(ARGV[6]) then
  local units = math.min(left, math.max(want, math.floor(left / tonumber(ARGV[3]))))
  out, left = out + units, left - units
  redis.call('HINCRBY', key, first, units)
end
redis.call('HSET', key, 'out', out)
if tonumber(ARGV[4]) > 0 then
  redis.call('PEXPIRE', key, ARGV[4])
end
return {left, number(first), on_their_way}
