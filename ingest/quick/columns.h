/* Columns as they grow, laid out as Arrow has them. Rows wait until they are as many as a word has bits, and are then put
   into one column after the other: all columns at once are more streams of memory than a cache keeps apart. */
#pragma once
#include "types.h"

enum { MOST_WAITING = 64 };

/* Memory that becomes a bytes object as it is. */
typedef struct {
    PyObject *bytes;
    size_t size, room;
} Buffer;

/* Make room for so many bytes more. */
static int widen(Buffer *b, size_t size) {
    size_t room = b->room * 2 > b->size + size ? b->room * 2 : b->size + size + 4096;
    if (b->bytes ? _PyBytes_Resize(&b->bytes, (Py_ssize_t)room)
                 : !(b->bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)room)))
        return 0;
    b->room = room;
    return 1;
}

/* Where so many bytes more may be written; NULL without memory. */
static inline char *more(Buffer *b, size_t size) {
    if ((!b->bytes || b->room < b->size + size) && !widen(b, size)) return NULL;
    b->size += size;
    return PyBytes_AS_STRING(b->bytes) + b->size - size;
}

static inline int put(Buffer *b, const void *from, size_t size) {
    char *to = more(b, size);
    if (to && size) memcpy(to, from, size);
    return to != NULL;
}

/* What a row has in a column; of a list, `size` items from number `whole` on. */
typedef struct {
    union {
        const char *text;
        int64_t whole;
        double real;
    };
    int32_t size, there;
} Cell;

typedef struct {
    Buffer valid, ends, data, item_ends; /* valid: a bit for each row; ends: where each row's data, or items, end */
    int32_t rows, nulls, items;
} Growing;

/* Of a table. `raw` are the records themselves, and the last cell of each row that waits. */
typedef struct {
    Growing column[MAX_NAMES], raw;
    Buffer places;
    int32_t rows, waiting;
    char seen[MAX_NAMES]; /* whether a row that waits has the column */
    Cell *cell;
    Text *item;
    int items, item_room;
    size_t expected; /* about how many bytes of records there will be, for which room is made at once */
} Made;

/* As memcpy, which is not called for what is short, as most texts are. */
static inline void copy(char *to, const char *from, size_t size) {
    char first[16], last[16];
    if (size > 32) {
        memcpy(to, from, size);
    } else if (size >= 16) {
        memcpy(first, from, 16), memcpy(last, from + size - 16, 16);
        memcpy(to, first, 16), memcpy(to + size - 16, last, 16);
    } else if (size >= 8) {
        memcpy(first, from, 8), memcpy(last, from + size - 8, 8);
        memcpy(to, first, 8), memcpy(to + size - 8, last, 8);
    } else {
        for (size_t i = 0; i < size; i++) to[i] = from[i];
    }
}

/* Room for the ends of so many elements; before the first is a zero. */
static int32_t *more_ends(Buffer *ends, size_t count) {
    int32_t zero = 0;
    if (!ends->size && !put(ends, &zero, sizeof zero)) return NULL;
    return (int32_t *)more(ends, count * sizeof zero);
}

static int has_ends(int kind) {
    return kind == TEXT || kind == WORD || kind == OBJECT || kind == LIST;
}

static size_t words_of(size_t bits) {
    return (bits + 63) / 64 * sizeof(uint64_t);
}

/* Fill a column up to a row with nulls: with ends as the last one, or with zeros. */
static int nulls_up_to(Growing *g, int kind, int32_t rows) {
    size_t count = (size_t)(rows - g->rows);
    if (!count) return 1;
    char *valid = more(&g->valid, words_of(count));
    if (!valid) return 0;
    memset(valid, 0, words_of(count));
    if (has_ends(kind)) {
        int32_t *ends = more_ends(&g->ends, count);
        if (!ends) return 0;
        for (size_t i = 0; i < count; i++) ends[i] = kind == LIST ? g->items : (int32_t)g->data.size;
    } else {
        size_t size = kind == TRUTH ? words_of(count) : count * sizeof(int64_t);
        char *data = more(&g->data, size);
        if (!data) return 0;
        memset(data, 0, size);
    }
    g->rows = rows;
    g->nulls += (int32_t)count;
    return 1;
}

static int add_texts(Growing *g, const Cell *cell, int step, int count) {
    size_t size = 0;
    for (int i = 0; i < count; i++) size += (size_t)cell[i * step].size;
    int32_t *ends = more_ends(&g->ends, (size_t)count);
    char *to = more(&g->data, size);
    if (!ends || !to || g->data.size > INT32_MAX) return 0;
    int32_t end = (int32_t)(g->data.size - size);
    for (int i = 0; i < count; i++, cell += step) {
        copy(to, cell->text, (size_t)cell->size);
        to += cell->size;
        ends[i] = end += cell->size;
    }
    return 1;
}

static int add_lists(Growing *g, const Cell *cell, int step, int count, const Text *item) {
    int32_t *ends = more_ends(&g->ends, (size_t)count);
    if (!ends) return 0;
    for (int i = 0; i < count; i++, cell += step) {
        int32_t *item_ends = more_ends(&g->item_ends, (size_t)cell->size);
        if (!item_ends) return 0;
        for (int32_t n = 0; n < cell->size; n++) {
            const Text *each = &item[cell->whole + n];
            if (!put(&g->data, each->text, (size_t)each->length) || g->data.size > INT32_MAX) return 0;
            item_ends[n] = (int32_t)g->data.size;
        }
        ends[i] = g->items += cell->size;
    }
    return 1;
}

static int add_truths(Growing *g, const Cell *cell, int step, int count) {
    uint64_t word = 0;
    for (int i = 0; i < count; i++, cell += step) word |= (uint64_t)(cell->there && cell->whole) << i;
    return put(&g->data, &word, sizeof word);
}

static int add_numbers(Growing *g, const Cell *cell, int step, int count) {
    int64_t *to = (int64_t *)more(&g->data, (size_t)count * sizeof *to);
    for (int i = 0; to && i < count; i++, cell += step) to[i] = cell->whole; /* the bits of a real one too */
    return to != NULL;
}

/* The column's cells of the rows that wait. */
static int add_cells(Growing *g, int kind, const Cell *cell, int step, int count, const Text *item) {
    uint64_t word = 0;
    for (int i = 0; i < count; i++) word |= (uint64_t)cell[i * step].there << i;
    if (!put(&g->valid, &word, sizeof word)) return 0;
    g->rows += count;
    g->nulls += count - __builtin_popcountll(word);
    if (kind == LIST) return add_lists(g, cell, step, count, item);
    if (kind == TRUTH) return add_truths(g, cell, step, count);
    return has_ends(kind) ? add_texts(g, cell, step, count) : add_numbers(g, cell, step, count);
}

static int put_waiting(const Table *table, Made *made) {
    int step = table->count + 1, count = made->waiting;
    if (!count) return 1;
    for (int c = 0; c < table->count; c++) {
        Growing *g = &made->column[c];
        int kind = table->column[c].kind;
        if (!made->seen[c]) continue;
        if (!nulls_up_to(g, kind, made->rows) || !add_cells(g, kind, made->cell + c, step, count, made->item)) return 0;
    }
    if (!made->raw.data.bytes && !widen(&made->raw.data, made->expected)) return 0;
    if (!add_cells(&made->raw, TEXT, made->cell + table->count, step, count, NULL)) return 0;
    made->rows += count;
    made->waiting = made->items = 0;
    memset(made->seen, 0, sizeof made->seen);
    return 1;
}

static int keep_items(Made *made, const Text *item, int count) {
    if (made->items + count > made->item_room) {
        int room = 2 * (made->items + count);
        Text *larger = realloc(made->item, (size_t)room * sizeof *larger);
        if (!larger) return 0;
        made->item = larger, made->item_room = room;
    }
    memcpy(made->item + made->items, item, (size_t)count * sizeof *item);
    made->items += count;
    return 1;
}

static int keep_cell(Made *made, Cell *cell, int kind, const Slot *slot, const Record *record) {
    cell->there = slot->kind != IS_NULL;
    if (!cell->there) return 1;
    switch (kind) {
    case REAL:
        cell->real = slot->real;
        return 1;
    case TRUTH:
    case TIME:
    case INTEGER:
        cell->whole = slot->whole;
        return 1;
    case LIST:
        cell->whole = made->items, cell->size = slot->items;
        return keep_items(made, &record->item[slot->first], slot->items);
    default:
        cell->text = slot->text.text, cell->size = (int32_t)slot->text.length;
        return 1;
    }
}

/* Have a record wait as a row; its bytes must stay until `put_waiting`. */
static int keep(const Table *table, Made *made, const Record *record, Text value, int64_t place) {
    size_t step = (size_t)table->count + 1;
    if (!made->cell && !(made->cell = malloc(MOST_WAITING * step * sizeof(Cell)))) return 0;
    if (made->waiting == MOST_WAITING && !put_waiting(table, made)) return 0;
    Cell *row = made->cell + (size_t)made->waiting++ * step;
    memset(row, 0, step * sizeof *row);
    for (int i = 0; i < record->count; i++) {
        int name = record->used[i], c = table->of_name[name];
        made->seen[c] = 1;
        if (!keep_cell(made, &row[c], table->column[c].kind, &record->slot[name], record)) return 0;
    }
    row[table->count] = (Cell){.text = value.text, .size = (int32_t)value.length, .there = 1};
    return put(&made->places, &place, sizeof place);
}

static void release(Growing *g) {
    Py_XDECREF(g->valid.bytes), Py_XDECREF(g->ends.bytes), Py_XDECREF(g->data.bytes), Py_XDECREF(g->item_ends.bytes);
}

static void free_made(Made *made) {
    for (int c = 0; c < MAX_NAMES; c++) release(&made->column[c]);
    release(&made->raw);
    Py_XDECREF(made->places.bytes);
    free(made->cell), free(made->item);
}

/* The bytes that were written, which are the caller's now. */
static PyObject *bytes_of(Buffer *b) {
    PyObject *bytes = b->bytes;
    if (!bytes) return PyBytes_FromStringAndSize(NULL, 0);
    b->bytes = NULL;
    return _PyBytes_Resize(&bytes, (Py_ssize_t)b->size) ? NULL : bytes;
}

static PyObject *grown(Growing *g) {
    return Py_BuildValue("(NNNNi)", bytes_of(&g->valid), bytes_of(&g->ends), bytes_of(&g->data),
                         bytes_of(&g->item_ends), (int)g->nulls);
}

/* What was made of a table: (places, raw, {name: (valid, ends, data, ends of items, nulls)}). */
static PyObject *table_made(const Table *table, Made *made) {
    if (!put_waiting(table, made)) return PyErr_NoMemory();
    PyObject *columns = PyDict_New();
    if (!columns) return NULL;
    for (int c = 0; c < table->count; c++) {
        Growing *g = &made->column[c];
        if (!g->rows) continue;
        PyObject *column = nulls_up_to(g, table->column[c].kind, made->rows) ? grown(g) : NULL;
        if (!column || PyDict_SetItem(columns, table->names[c], column)) {
            Py_XDECREF(column), Py_DECREF(columns);
            return NULL;
        }
        Py_DECREF(column);
    }
    return Py_BuildValue("(NNN)", bytes_of(&made->places), grown(&made->raw), columns);
}
