-- Saves the presence of users of one partition, each only if nobody saved it since it was read.
--
-- KEYS[1]  hash   present: user id -> coarse cell (hex, "" unknown), of users who are in some geofence
-- KEYS[2]  zset   due: user id by the instant (ms) at which time alone changes the presence
-- KEYS[3+] string presence of each user: 8 bytes version, then the sealed value
-- ARGV[1]  channel of the news
-- ARGV[2+] six per user, in the order of KEYS[3+]:
--            user id; expected version ("" absent); new value ("" deletes); lifetime in ms;
--            due instant in ms ("" none); "-" not present, else the cell ("" keeps the one known)
-- returns  the numbers (from 0) of the users whose presence had changed meanwhile; nothing of theirs is written
-- publishes cmsgpack {user id, cell or false, user id, cell or false, ...}: who became present or moved, who left
local lost, news = {}, {}
for number = 0, #KEYS - 3 do
  local key, at = KEYS[3 + number], 2 + 6 * number
  local user, expected, value = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  if redis.call('GETRANGE', key, 0, 7) ~= expected then
    lost[#lost + 1] = number
  else
    if value == '' then
      redis.call('DEL', key)
    else
      redis.call('SET', key, value, 'PX', ARGV[at + 3])
    end
    if ARGV[at + 4] == '' then
      redis.call('ZREM', KEYS[2], user)
    else
      redis.call('ZADD', KEYS[2], ARGV[at + 4], user)
    end
    local cell = ARGV[at + 5]
    local known = redis.call('HGET', KEYS[1], user)
    if cell == '-' then
      if known then
        redis.call('HDEL', KEYS[1], user)
        news[#news + 1] = user
        news[#news + 1] = false
      end
    elseif not known or (cell ~= '' and cell ~= known) then
      redis.call('HSET', KEYS[1], user, cell)
      news[#news + 1] = user
      news[#news + 1] = cell
    end
  end
end
if #news > 0 then
  redis.call('PUBLISH', ARGV[1], cmsgpack.pack(news))
end
return lost
