"""OGC API - Features under `/ogc`: what QGIS, GDAL and other map programs read."""

from app.routers.ogc import items, overview

ROUTERS = (overview.router, items.router)
