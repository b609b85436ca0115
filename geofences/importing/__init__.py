"""File bytes to geofences, with errors that say which feature, which member and what to do.

Nothing half-good gets through: a feature is a valid geofence or a ``FeatureError``.
"""

from geofences.importing.geojson import UnreadableCollection, parse_collection, parse_feature
from geofences.importing.limits import FeatureError, Limits
from geofences.importing.repairs import Repair
from geofences.importing.restoring import restore_features
from geofences.importing.reviewing import Reviewed, Row, advice_on, review

__all__ = [
    "FeatureError",
    "Limits",
    "Repair",
    "Reviewed",
    "Row",
    "UnreadableCollection",
    "advice_on",
    "parse_collection",
    "parse_feature",
    "restore_features",
    "review",
]
