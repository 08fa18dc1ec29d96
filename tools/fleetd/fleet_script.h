/* lib/fleet/attempts.lua, as the Makefile puts it into the program. */
#ifndef TMOUT_FLEETD_FLEET_SCRIPT_H
#define TMOUT_FLEETD_FLEET_SCRIPT_H

extern const char fleet_script[];

#endif
