"""How the admin looks and what its frame shows; the names point to functions that are called for each request."""

from typing import Any

#: A calm blue; greys come from unfold.
PRIMARY = {
    "50": "oklch(97% .014 254.6)",
    "100": "oklch(93.2% .032 255.6)",
    "200": "oklch(88.2% .059 254.1)",
    "300": "oklch(80.9% .105 251.8)",
    "400": "oklch(70.7% .165 254.6)",
    "500": "oklch(62.3% .214 259.8)",
    "600": "oklch(54.6% .215 262.9)",
    "700": "oklch(48.8% .2 264.4)",
    "800": "oklch(42.4% .18 265.6)",
    "900": "oklch(37.9% .146 265.5)",
    "950": "oklch(28.2% .091 267.9)",
}

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "TaskFlow",
    "SITE_HEADER": "TaskFlow",
    "SITE_SUBHEADER": "taskflow.navigation.subheader",
    "SITE_DROPDOWN": "taskflow.navigation.tenant_choices",
    "SITE_SYMBOL": "conversion_path",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "taskflow.navigation.icon"}],
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "COLORS": {"primary": PRIMARY},
    "STYLES": ["taskflow.navigation.stylesheet", "taskflow.navigation.frame_stylesheet"],
    "SCRIPTS": ["taskflow.navigation.script"],
    "DASHBOARD_CALLBACK": "taskflow.dashboard.dashboard",
    "COMMAND": {"search_callback": "taskflow.navigation.search"},
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "navigation": "taskflow.navigation.navigation",
    },
}
