"""What the course modules export, one file a module; edit their sources in ``modules/source``, not here."""
