"""Files of geofences, read in a process of their own: sniffed, unpacked within bounds, brought to WGS 84."""
