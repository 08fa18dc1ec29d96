#include "lib/host/map.h"

#include <stdlib.h>

enum { SLOTS_INITIAL = 16 };

struct map_slot {
    uint64_t key;
    void *value; /* NULL: free */
};

/* Numbers in a row must not end up in a row: users choose some of them. */
static size_t home_of(const struct map *map, uint64_t key)
{
    key ^= key >> 33;
    key *= 0xff51afd7ed558ccdULL;
    key ^= key >> 33;
    return (size_t)key & (map->size - 1);
}

/* The slot of this key, or the free one where it belongs. */
static struct map_slot *slot_of(const struct map *map, uint64_t key)
{
    size_t at = home_of(map, key);

    while (map->slot[at].value != NULL && map->slot[at].key != key)
        at = (at + 1) & (map->size - 1);
    return &map->slot[at];
}

void *map_find(const struct map *map, uint64_t key)
{
    return map->size > 0 ? slot_of(map, key)->value : NULL;
}

static bool grow(struct map *map)
{
    struct map larger = {.size = map->size > 0 ? 2 * map->size : SLOTS_INITIAL,
                         .count = map->count};

    larger.slot = calloc(larger.size, sizeof *larger.slot);
    if (larger.slot == NULL)
        return false;
    for (size_t i = 0; i < map->size; i++)
        if (map->slot[i].value != NULL)
            *slot_of(&larger, map->slot[i].key) = map->slot[i];
    free(map->slot);
    *map = larger;
    return true;
}

bool map_put(struct map *map, uint64_t key, void *value)
{
    struct map_slot *slot;

    /* At most three quarters are in use, so that there is always a free one. */
    if (4 * (map->count + 1) > 3 * map->size && !grow(map))
        return false;
    slot = slot_of(map, key);
    if (slot->value == NULL)
        map->count++;
    *slot = (struct map_slot){key, value};
    return true;
}

void map_remove(struct map *map, uint64_t key)
{
    struct map_slot *hole = map->size > 0 ? slot_of(map, key) : NULL;

    if (hole == NULL || hole->value == NULL)
        return;
    map->count--;
    /* What follows without a gap may have been pushed there by this one. */
    for (size_t at = (size_t)(hole - map->slot);;) {
        at = (at + 1) & (map->size - 1);
        if (map->slot[at].value == NULL)
            break;
        const size_t home = home_of(map, map->slot[at].key);
        const size_t hole_at = (size_t)(hole - map->slot);
        if (((at - home) & (map->size - 1)) >= ((at - hole_at) & (map->size - 1))) {
            *hole = map->slot[at];
            hole = &map->slot[at];
        }
    }
    hole->value = NULL;
}

void map_free(struct map *map)
{
    free(map->slot);
    *map = (struct map){0};
}
