/* Arrays that grow by one item at a time. Only the number of items in use is
 * kept: how many there is room for follows from it. */
#ifndef TMOUT_HOST_ARRAY_H
#define TMOUT_HOST_ARRAY_H

#include <stddef.h>
#include <stdlib.h>

enum { ARRAY_ITEMS_INITIAL = 8 };

/*
 * Makes room for one more item behind the count that are in use. Returns the
 * array, which may have moved, or NULL with errno set to ENOMEM and the old
 * one intact. items is NULL for an empty array, or came from this function;
 * the caller frees it with free(). It is reallocated only when count is
 * 0, 8, 16, 32, ...
 *
 *     struct thing *grown = array_grow(list->thing, list->count, sizeof *grown);
 *     if (grown == NULL)
 *         return -1;
 *     list->thing = grown;
 *     list->thing[list->count++] = thing;
 */
static inline void *array_grow(void *items, size_t count, size_t item_size)
{
    if (count == 0)
        return reallocarray(items, ARRAY_ITEMS_INITIAL, item_size);
    if (count < ARRAY_ITEMS_INITIAL || (count & (count - 1)) != 0)
        return items; /* there is room up to the next power of two */
    return reallocarray(items, 2 * count, item_size);
}

#endif
