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

/* Where a record lies in its batch, all in 64 bits, as ingest/stretch.py knows it. A size is negative where there is
   no key, or no value. */
typedef struct {
    int64_t offset, time_us, key, key_size, value, value_size, headers, headers_count;
} Place;

/* So many bytes after their length, which may be negative for nothing. */
static void stretch_or_nothing(Cursor *c, const uint8_t *start, int64_t *place, int64_t *size) {
    *size = varint(c);
    *place = c->at - start;
    if (*size >= 0) stretch(c, *size);
}

static void pass_headers(Cursor *c, int64_t count) {
    int64_t place, size;
    c->bad |= count < 0 || count > c->end - c->at;
    for (int64_t i = 0; i < count && !c->bad; i++) {
        stretch(c, varint(c));
        stretch_or_nothing(c, c->at, &place, &size);
    }
}

/* In microseconds; the lowest number where there is none that a calendar holds. */
static int64_t time_of_record(int64_t base, int64_t delta) {
    int64_t time;
    if (__builtin_add_overflow(base, delta, &time) || time < 0 || time >= END_OF_TIME_MS) return INT64_MIN;
    return time * 1000;
}

static Place split_one(Cursor *c, const uint8_t *start, int64_t base_offset, int64_t base_time, int64_t *last) {
    Place place = {0};
    int64_t length = varint(c);
    const uint8_t *from = (const uint8_t *)stretch(c, length);
    if (!from || length < 1) {
        c->bad = 1;
        return place;
    }
    Cursor record = {from + 1, from + length, 0}; /* after the attributes, none of which is in use */
    int64_t time = varint(&record), offset = varint(&record);
    c->bad |= offset <= *last || offset > INT32_MAX;
    *last = offset;
    place.offset = base_offset + offset;
    place.time_us = time_of_record(base_time, time);
    stretch_or_nothing(&record, start, &place.key, &place.key_size);
    stretch_or_nothing(&record, start, &place.value, &place.value_size);
    place.headers_count = varint(&record);
    place.headers = record.at - start;
    pass_headers(&record, place.headers_count);
    c->bad |= record.bad || record.at != record.end;
    return place;
}

/* split(data, count, base_offset, base_time): the places of the records, or None where it is in doubt. */
static PyObject *split(PyObject *self, PyObject *arguments) {
    Py_buffer data;
    Py_ssize_t count;
    long long base_offset, base_time;
    if (!PyArg_ParseTuple(arguments, "y*nLL", &data, &count, &base_offset, &base_time)) return NULL;
    const uint8_t *start = data.buf;
    Cursor c = {start, start + data.len, 0};
    PyObject *places = NULL;
    int64_t last = -1;
    /* A record has seven bytes or more, so that a count that cannot be asks for no memory. */
    c.bad = count < 0 || count > data.len / 7 || base_offset < 0 || base_offset > INT64_MAX - INT32_MAX;
    if (!c.bad) places = PyByteArray_FromStringAndSize(NULL, count * (Py_ssize_t)sizeof(Place));
    for (Py_ssize_t i = 0; places && !c.bad && i < count; i++) {
        Place place = split_one(&c, start, base_offset, base_time, &last);
        memcpy(PyByteArray_AS_STRING(places) + i * (Py_ssize_t)sizeof place, &place, sizeof place);
    }
    if (places && (c.bad || c.at != c.end)) Py_CLEAR(places);
    if (!places && !PyErr_Occurred()) places = Py_NewRef(Py_None);
    PyBuffer_Release(&data);
    return places;
}
