"""Operations in: geofences, offers, users, keys, explain, activity, health."""
