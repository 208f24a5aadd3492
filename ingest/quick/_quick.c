/* The two loops of ingest that would take most of its time in Python: finding the records of a batch, and reading plain
   records of the native format.

   Nothing is refused here and no reason is given. What is not beyond doubt is left to the Python of
   ingest/recordbatch.py and ingest/formats/native.py, which decides; and what is read here comes out as it would
   there, which tests/ingest/test_quick.py compares. */
#include "columns.h"
#include "digest.h"

/* Offsets of Arrow have 31 bits. */
#define MOST_AT_ONCE (1 << 30)

static int is_utf8(Text value) {
    PyObject *text = PyUnicode_DecodeUTF8(value.text, value.length, "strict");
    if (!text) PyErr_Clear();
    Py_XDECREF(text);
    return text != NULL;
}

/* Whether a record is read here, and if so, its table; -1 if not. */
static int look(const Spec *spec, Text value, Record *record) {
    if (!read_record(spec, value.text, value.length, record)) return -1;
    if (record->foreign && !is_utf8(value)) return -1;
    return table_of(spec, record);
}

static int add_place(PyObject *rest, int64_t i) {
    PyObject *place = PyLong_FromLongLong(i);
    int failed = !place || PyList_Append(rest, place);
    Py_XDECREF(place);
    return !failed;
}

typedef struct {
    const Spec *spec;
    Made *made;
    Record *record;
    PyObject *rest;
    Py_ssize_t most_bytes, size;
    int64_t seen;
} Reader;

/* Whether none of a record's headers may say what it is. */
static int is_silent(const Spec *spec, const Py_buffer *data, const Place *place) {
    if (place->headers_count <= 0) return place->headers_count == 0;
    if (!lies_in(data, place->headers, 0)) return 0;
    Cursor c = {(const uint8_t *)data->buf + place->headers, (const uint8_t *)data->buf + data->len, 0};
    for (int64_t i = 0; i < place->headers_count; i++) {
        int64_t at, size = varint(&c);
        const char *name = stretch(&c, size);
        if (!name || !among(spec->silent, name, (Py_ssize_t)size)) return 0;
        stretch_or_nothing(&c, data->buf, &at, &size);
    }
    return !c.bad;
}

/* The records of a batch. 0: no memory. */
static int read_batch(Reader *r, const Py_buffer *data, const Py_buffer *places) {
    Py_ssize_t count = places->len / (Py_ssize_t)sizeof(Place);
    for (Py_ssize_t i = 0; i < count; i++, r->seen++) {
        Place place;
        memcpy(&place, (const char *)places->buf + i * (Py_ssize_t)sizeof place, sizeof place);
        Py_ssize_t room = MOST_AT_ONCE - r->size;
        int table = -1;
        Text value = {0};
        if (place.value_size >= 0 && place.value_size <= r->most_bytes && place.value_size <= room &&
            lies_in(data, place.value, place.value_size) && is_silent(r->spec, data, &place)) {
            value = (Text){(const char *)data->buf + place.value, (Py_ssize_t)place.value_size};
            table = look(r->spec, value, r->record);
        }
        int fine = table < 0 ? add_place(r->rest, r->seen)
                             : keep(&r->spec->table[table], &r->made[table], r->record, value, r->seen);
        if (!fine) return 0;
        if (table >= 0) r->size += value.length;
    }
    return 1;
}

static PyObject *tables_made(const Spec *spec, Made *made) {
    PyObject *tables = PyList_New(spec->tables);
    for (int t = 0; tables && t < spec->tables; t++) {
        PyObject *table = table_made(&spec->table[t], &made[t]);
        if (!table) Py_CLEAR(tables);
        else PyList_SET_ITEM(tables, t, table);
    }
    return tables;
}

/* Rows that wait point into the batches, which `batches` holds to the end. */
static int bytes_in(PyObject *batches, size_t *size) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(batches); i++) {
        PyObject *data, *places;
        if (!PyArg_ParseTuple(PyList_GET_ITEM(batches, i), "SO", &data, &places)) return 0;
        *size += (size_t)PyBytes_GET_SIZE(data);
    }
    return 1;
}

/* read_plain(spec, batches, most_bytes): what was made of each table, and the numbers of the records that were left.
   `batches` is a list of (data, places). */
static PyObject *read_plain(PyObject *self, PyObject *arguments) {
    PyObject *capsule, *batches, *result = NULL, *tables = NULL;
    Reader r = {.rest = PyList_New(0), .record = calloc(1, sizeof(Record)), .made = calloc(MAX_TABLES, sizeof(Made))};
    if (!r.record || !r.made || !r.rest) {
        PyErr_NoMemory();
        goto done;
    }
    if (!PyArg_ParseTuple(arguments, "OO!n", &capsule, &PyList_Type, &batches, &r.most_bytes)) goto done;
    if (!(r.spec = PyCapsule_GetPointer(capsule, "ingest.spec"))) goto done;
    size_t size = 0;
    if (!bytes_in(batches, &size)) goto done;
    for (int t = 0; t < MAX_TABLES; t++) r.made[t].expected = size;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(batches); i++) {
        Py_buffer data, places;
        if (!PyArg_ParseTuple(PyList_GET_ITEM(batches, i), "y*y*", &data, &places)) goto done;
        int fine = read_batch(&r, &data, &places);
        PyBuffer_Release(&data), PyBuffer_Release(&places);
        if (!fine) {
            PyErr_NoMemory();
            goto done;
        }
    }
    tables = tables_made(r.spec, r.made);
    if (tables) result = PyTuple_Pack(2, tables, r.rest);
done:
    Py_XDECREF(tables), Py_XDECREF(r.rest);
    for (int t = 0; r.made && t < MAX_TABLES; t++) free_made(&r.made[t]);
    free(r.made), free(r.record);
    return result;
}

static PyMethodDef methods[] = {
    {"split", split, METH_VARARGS, "Find the records of a batch; None where it is in doubt."},
    {"digests", digests, METH_VARARGS, "SHA-256 of the records of a batch; None where hashlib is to be used."},
    {"unpack", unpack, METH_VARARGS, "Make lists of the records of a batch."},
    {"prepare", prepare, METH_VARARGS, "Take in the columns of the tables."},
    {"read_plain", read_plain, METH_VARARGS, "Read plain records into columns, and name the places of the others."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_quick", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__quick(void) { return PyModule_Create(&module); }
