/* SPDX-License-Identifier: BSD-3-Clause */
/* Open addressing with linear probing; at most half of the places are taken, and removing leaves no marks. */
#include <config.h>

#include <stdlib.h>

#include <viaduct/error.h>

#include "process/numbers.h"

#define FIRST_CAPACITY 16

// Numbers are mostly consecutive, and whoever sends them may choose them: a multiplication spreads both.
static uint32_t home(const struct via__numbers *numbers, uint64_t number)
{
    return (uint32_t)((number * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (numbers->capacity - 1);
}

// Where the number is, or would go.
static uint32_t place_of(const struct via__numbers *numbers, uint64_t number)
{
    uint32_t place = home(numbers, number);
    while (numbers->places[place].number && numbers->places[place].number != number)
        place = (place + 1) & (numbers->capacity - 1);
    return place;
}

void *via__numbers_find(const struct via__numbers *numbers, uint64_t number)
{
    return numbers->count && number ? numbers->places[place_of(numbers, number)].thing : NULL;
}

static int grow(struct via__numbers *numbers)
{
    struct via__numbers larger = {.capacity = numbers->capacity ? 2 * numbers->capacity : FIRST_CAPACITY};
    larger.places = calloc(larger.capacity, sizeof *larger.places);
    if (!larger.places)
        return VIA_ENOMEM;
    for (uint32_t i = 0; i < numbers->capacity; i++) {
        if (numbers->places[i].number)
            larger.places[place_of(&larger, numbers->places[i].number)] = numbers->places[i];
    }
    larger.count = numbers->count;
    free(numbers->places);
    *numbers = larger;
    return 0;
}

int via__numbers_add(struct via__numbers *numbers, uint64_t number, void *thing)
{
    int status = 2 * (numbers->count + 1) > numbers->capacity ? grow(numbers) : 0;
    if (status < 0)
        return status;
    numbers->places[place_of(numbers, number)] = (struct via__numbered){number, thing};
    numbers->count++;
    return 0;
}

// Moves up what was put behind `hole` only because that was taken.
static void close_hole(struct via__numbers *numbers, uint32_t hole)
{
    uint32_t mask = numbers->capacity - 1;
    for (uint32_t at = (hole + 1) & mask; numbers->places[at].number; at = (at + 1) & mask) {
        uint32_t wanted = home(numbers, numbers->places[at].number);
        if (((at - wanted) & mask) < ((at - hole) & mask))
            continue;
        numbers->places[hole] = numbers->places[at];
        hole = at;
    }
    numbers->places[hole] = (struct via__numbered){0, NULL};
}

void *via__numbers_remove(struct via__numbers *numbers, uint64_t number)
{
    void *thing = via__numbers_find(numbers, number);
    if (!thing)
        return NULL;
    close_hole(numbers, place_of(numbers, number));
    numbers->count--;
    return thing;
}

void *via__numbers_next(const struct via__numbers *numbers, uint32_t *at)
{
    while (*at < numbers->capacity) {
        void *thing = numbers->places[(*at)++].thing;
        if (thing)
            return thing;
    }
    return NULL;
}

void via__numbers_free(struct via__numbers *numbers)
{
    free(numbers->places);
    *numbers = (struct via__numbers){NULL, 0, 0};
}
