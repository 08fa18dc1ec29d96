/* A table of things by a number, such as a pid: constant time, whatever the
 * number of things. */
#ifndef TMOUT_HOST_MAP_H
#define TMOUT_HOST_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map {
    struct map_slot *slot; /* a power of two of them, or none */
    size_t size, count;
};

/* NULL if there is none. */
void *map_find(const struct map *map, uint64_t key);

/* Adds a thing, or replaces the one with this key. value is not NULL. False
 * without memory, and the map as before. */
bool map_put(struct map *map, uint64_t key, void *value);

/* It need not be there. */
void map_remove(struct map *map, uint64_t key);

/* Frees the table, not the things. */
void map_free(struct map *map);

#endif
