/* Columns as they grow, laid out as Arrow has them. */
#pragma once
#include "types.h"

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

typedef struct {
    Buffer valid, ends, data, item_ends; /* valid: a byte for each row; ends: where each row's data, or items, end */
    int32_t rows, nulls, items;
} Growing;

/* Of a table. `raw` are the records themselves. */
typedef struct {
    Growing column[MAX_NAMES], raw;
    Buffer places;
    int32_t rows;
} Made;

/* The end of an element, after that of the one before, the first of which is 0. */
static int put_end(Buffer *ends, size_t at) {
    int32_t end = (int32_t)at, zero = 0;
    return at <= INT32_MAX && (ends->size || put(ends, &zero, sizeof zero)) && put(ends, &end, sizeof end);
}

static int text_end(Buffer *ends, const Buffer *data) {
    return put_end(ends, data->size);
}

/* Fill a column up to a row with nulls: with ends as the last one, or with zeros. */
static int nulls_up_to(Growing *g, int kind, int32_t rows) {
    size_t count = (size_t)(rows - g->rows);
    if (!count) return 1;
    int has_ends = kind == TEXT || kind == WORD || kind == OBJECT || kind == LIST;
    char *valid = more(&g->valid, count);
    if (!valid) return 0;
    memset(valid, 0, count);
    if (has_ends) {
        int32_t end = kind == LIST ? g->items : (int32_t)g->data.size, zero = 0;
        if (!g->ends.size && !put(&g->ends, &zero, sizeof zero)) return 0;
        char *ends = more(&g->ends, count * sizeof end);
        if (!ends) return 0;
        for (size_t i = 0; i < count; i++) memcpy(ends + i * sizeof end, &end, sizeof end);
    } else {
        size_t size = count * (kind == TRUTH ? 1 : 8);
        char *data = more(&g->data, size);
        if (!data) return 0;
        memset(data, 0, size);
    }
    g->rows = rows;
    g->nulls += (int32_t)count;
    return 1;
}

static int grow(Growing *g, int kind, const Slot *slot, const Record *record, int32_t row) {
    static const char yes = 1;
    if (slot->kind == IS_NULL) return 1;
    if (!nulls_up_to(g, kind, row) || !put(&g->valid, &yes, 1)) return 0;
    g->rows++;
    switch (kind) {
    case REAL:
        return put(&g->data, &slot->real, sizeof slot->real);
    case TRUTH:
        return put(&g->data, slot->whole ? "\1" : "\0", 1);
    case TIME:
    case INTEGER:
        return put(&g->data, &slot->whole, sizeof slot->whole);
    case LIST:
        for (int i = 0; i < slot->items; i++) {
            const Text *item = &record->item[slot->first + i];
            if (!put(&g->data, item->text, (size_t)item->length) || !text_end(&g->item_ends, &g->data)) return 0;
        }
        g->items += slot->items;
        return put_end(&g->ends, (size_t)g->items);
    default:
        return put(&g->data, slot->text.text, (size_t)slot->text.length) && text_end(&g->ends, &g->data);
    }
}

static void release(Growing *g) {
    Py_XDECREF(g->valid.bytes), Py_XDECREF(g->ends.bytes), Py_XDECREF(g->data.bytes), Py_XDECREF(g->item_ends.bytes);
}

static void free_made(Made *made) {
    for (int c = 0; c < MAX_NAMES; c++) release(&made->column[c]);
    release(&made->raw);
    Py_XDECREF(made->places.bytes);
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
