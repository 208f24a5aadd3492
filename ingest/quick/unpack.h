/* The records of a batch as objects of Python, for whoever reads them one by one. */
#pragma once
#include "split.h"

/* Whether so many bytes from there on lie in the data; the places are the caller's word only. */
static int lies_in(const Py_buffer *data, int64_t place, int64_t size) {
    return place >= 0 && place <= data->len && size <= data->len - place;
}

static PyObject *bytes_or_none(const Py_buffer *data, int64_t place, int64_t size) {
    if (size < 0) return Py_NewRef(Py_None);
    if (!lies_in(data, place, size)) return PyErr_Format(PyExc_ValueError, "a record lies beyond its batch");
    return PyBytes_FromStringAndSize((const char *)data->buf + place, (Py_ssize_t)size);
}

static PyObject *header(Cursor *c) {
    int64_t length = varint(c);
    const char *text = stretch(c, length);
    PyObject *name = text ? PyUnicode_DecodeUTF8(text, (Py_ssize_t)length, "backslashreplace") : NULL;
    length = varint(c);
    text = length < 0 ? "" : stretch(c, length);
    PyObject *value = name && text ? PyBytes_FromStringAndSize(text, (Py_ssize_t)(length < 0 ? 0 : length)) : NULL;
    PyObject *pair = value ? PyTuple_Pack(2, name, value) : NULL;
    Py_XDECREF(name), Py_XDECREF(value);
    return pair;
}

static PyObject *headers(const Py_buffer *data, const Place *place) {
    int fits = lies_in(data, place->headers, 0) && place->headers_count >= 0 && place->headers_count <= data->len;
    Cursor c = {(const uint8_t *)data->buf + (fits ? place->headers : 0), (const uint8_t *)data->buf + data->len, !fits};
    PyObject *found = fits ? PyTuple_New((Py_ssize_t)place->headers_count) : NULL;
    for (Py_ssize_t i = 0; found && i < place->headers_count; i++) {
        PyObject *pair = header(&c);
        if (!pair) Py_CLEAR(found);
        else PyTuple_SET_ITEM(found, i, pair);
    }
    if (!found && !PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "headers lie beyond their batch");
    return found;
}

enum { OFFSETS, TIMES, KEYS, VALUES, HEADERS, LISTS };

static int unpack_one(const Py_buffer *data, const Place *place, PyObject **lists, Py_ssize_t i) {
    PyObject *found[LISTS] = {PyLong_FromLongLong(place->offset)};
    found[TIMES] = place->time_us == INT64_MIN ? Py_NewRef(Py_None) : PyLong_FromLongLong(place->time_us);
    found[KEYS] = bytes_or_none(data, place->key, place->key_size);
    found[VALUES] = found[KEYS] ? bytes_or_none(data, place->value, place->value_size) : NULL;
    found[HEADERS] = found[VALUES] ? headers(data, place) : NULL;
    int fine = 1;
    for (int l = 0; l < LISTS; l++) fine &= found[l] != NULL;
    for (int l = 0; l < LISTS; l++) {
        if (fine) PyList_SET_ITEM(lists[l], i, found[l]);
        else Py_XDECREF(found[l]);
    }
    return fine;
}

/* unpack(data, places): lists of the offsets, times, keys, values and headers. ValueError for a place beyond the data. */
static PyObject *unpack(PyObject *self, PyObject *arguments) {
    Py_buffer data, places;
    if (!PyArg_ParseTuple(arguments, "y*y*", &data, &places)) return NULL;
    Py_ssize_t count = places.len / (Py_ssize_t)sizeof(Place);
    PyObject *lists[LISTS] = {NULL}, *result = NULL;
    int fine = 1;
    for (int l = 0; fine && l < LISTS; l++) fine = (lists[l] = PyList_New(count)) != NULL;
    for (Py_ssize_t i = 0; fine && i < count; i++) {
        Place place;
        memcpy(&place, (const char *)places.buf + i * (Py_ssize_t)sizeof place, sizeof place);
        fine = unpack_one(&data, &place, lists, i);
    }
    if (fine)
        result = PyTuple_Pack(LISTS, lists[OFFSETS], lists[TIMES], lists[KEYS], lists[VALUES], lists[HEADERS]);
    for (int l = 0; l < LISTS; l++) Py_XDECREF(lists[l]);
    PyBuffer_Release(&data), PyBuffer_Release(&places);
    return result;
}
