/* Splitting a record batch of Kafka, format version 2. */
#pragma once
#include "shared.h"

/* Beyond the year 9999 a timestamp fits no calendar. */
#define END_OF_TIME_MS 253402300800000

typedef struct {
    const uint8_t *at, *end;
    int bad;
} Cursor;

static int64_t varint(Cursor *c) {
    uint64_t number = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (c->bad || c->at >= c->end) break;
        uint8_t byte = *c->at++;
        if (shift == 63 && byte > 1) break;
        number |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return (int64_t)(number >> 1) ^ -(int64_t)(number & 1);
    }
    c->bad = 1;
    return 0;
}

/* So many bytes from here on, after their length; NULL where that is more than there is. */
static const char *stretch(Cursor *c, int64_t length) {
    const char *found = (const char *)c->at;
    if (c->bad || length < 0 || length > c->end - c->at) {
        c->bad = 1;
        return NULL;
    }
    c->at += length;
    return found;
}

/* Bytes, or None where the length is negative. NULL: no memory, or the cursor is bad. */
static PyObject *bytes_or_none(Cursor *c) {
    int64_t length = varint(c);
    if (c->bad) return NULL;
    if (length < 0) Py_RETURN_NONE;
    const char *found = stretch(c, length);
    return found ? PyBytes_FromStringAndSize(found, (Py_ssize_t)length) : NULL;
}

static PyObject *header(Cursor *c) {
    int64_t length = varint(c);
    const char *found = stretch(c, length);
    PyObject *name = found ? PyUnicode_DecodeUTF8(found, (Py_ssize_t)length, "backslashreplace") : NULL;
    PyObject *value = name ? bytes_or_none(c) : NULL;
    if (value == Py_None) {
        Py_DECREF(value);
        value = PyBytes_FromStringAndSize(NULL, 0);
    }
    PyObject *pair = value ? PyTuple_Pack(2, name, value) : NULL;
    Py_XDECREF(name), Py_XDECREF(value);
    return pair;
}

static PyObject *headers(Cursor *c) {
    int64_t count = varint(c);
    if (c->bad || count < 0 || count > c->end - c->at) {
        c->bad = 1;
        return NULL;
    }
    PyObject *found = PyTuple_New((Py_ssize_t)count);
    for (Py_ssize_t i = 0; found && i < count; i++) {
        PyObject *pair = header(c);
        if (!pair) Py_CLEAR(found);
        else PyTuple_SET_ITEM(found, i, pair);
    }
    return found;
}

static PyObject *time_of_record(int64_t base, int64_t delta) {
    int64_t time;
    if (__builtin_add_overflow(base, delta, &time) || time < 0 || time >= END_OF_TIME_MS) Py_RETURN_NONE;
    return PyLong_FromLongLong(time * 1000);
}

enum { OFFSETS, TIMES, KEYS, VALUES, HEADERS, LISTS };

/* One record into the lists. 0: no memory, or the cursor is bad. */
static int split_one(Cursor *c, PyObject **lists, Py_ssize_t i, int64_t base_offset, int64_t base_time, int64_t *last) {
    int64_t length = varint(c);
    const uint8_t *start = (const uint8_t *)stretch(c, length);
    if (!start || length < 1) {
        c->bad = 1;
        return 0;
    }
    Cursor record = {start + 1, start + length, 0}; /* after the attributes, none of which is in use */
    int64_t time = varint(&record), offset = varint(&record);
    if (record.bad || offset <= *last || offset > INT32_MAX) {
        c->bad = 1;
        return 0;
    }
    *last = offset;
    PyObject *found[LISTS] = {PyLong_FromLongLong(base_offset + offset), time_of_record(base_time, time)};
    found[KEYS] = bytes_or_none(&record);
    found[VALUES] = found[KEYS] ? bytes_or_none(&record) : NULL;
    found[HEADERS] = found[VALUES] ? headers(&record) : NULL;
    c->bad |= record.bad || record.at != record.end;
    int fine = !c->bad;
    for (int l = 0; l < LISTS; l++) fine &= found[l] != NULL;
    for (int l = 0; l < LISTS; l++) {
        if (fine) PyList_SET_ITEM(lists[l], i, found[l]);
        else Py_XDECREF(found[l]);
    }
    return fine;
}

/* split(data, count, base_offset, base_time): (offsets, times, keys, values, headers), or None where it is in doubt. */
static PyObject *split(PyObject *self, PyObject *arguments) {
    Py_buffer data;
    Py_ssize_t count;
    long long base_offset, base_time;
    if (!PyArg_ParseTuple(arguments, "y*nLL", &data, &count, &base_offset, &base_time)) return NULL;
    Cursor c = {data.buf, (const uint8_t *)data.buf + data.len, 0};
    PyObject *lists[LISTS] = {NULL}, *result = NULL;
    int64_t last = -1;
    /* A record has seven bytes or more, so that a count that cannot be asks for no memory. */
    c.bad = count < 0 || count > data.len / 7 || base_offset < 0 || base_offset > INT64_MAX - INT32_MAX;
    int fine = !c.bad;
    for (int l = 0; fine && l < LISTS; l++) fine = (lists[l] = PyList_New(count)) != NULL;
    for (Py_ssize_t i = 0; fine && i < count; i++) fine = split_one(&c, lists, i, base_offset, base_time, &last);
    if (fine && c.at == c.end)
        result = PyTuple_Pack(LISTS, lists[OFFSETS], lists[TIMES], lists[KEYS], lists[VALUES], lists[HEADERS]);
    else if (!PyErr_Occurred())
        result = Py_NewRef(Py_None);
    for (int l = 0; l < LISTS; l++) Py_XDECREF(lists[l]);
    PyBuffer_Release(&data);
    return result;
}
