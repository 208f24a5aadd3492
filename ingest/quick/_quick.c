/* The two loops of ingest that would take most of its time in Python: splitting a record batch, and reading plain
   records of the native format.

   Nothing is refused here and no reason is given. What is not beyond doubt is left to the Python of
   ingest/recordbatch.py and ingest/formats/native.py, which decides; and what is read here comes out as it would
   there, which tests/ingest/test_quick.py compares. */
#include "columns.h"
#include "split.h"

/* Offsets of Arrow have 31 bits. */
#define MOST_AT_ONCE (1 << 30)

static int is_utf8(PyObject *value) {
    PyObject *text = PyUnicode_DecodeUTF8(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), "strict");
    if (!text) PyErr_Clear();
    Py_XDECREF(text);
    return text != NULL;
}

static int keep(const Table *table, Made *made, const Record *record, PyObject *value, int64_t place) {
    for (int i = 0; i < record->count; i++) {
        int name = record->used[i], c = table->of_name[name];
        if (!grow(&made->column[c], table->column[c].kind, &record->slot[name], record, made->rows)) return 0;
    }
    made->rows++;
    return put(&made->places, &place, sizeof place) &&
           put(&made->raw.data, PyBytes_AS_STRING(value), (size_t)PyBytes_GET_SIZE(value)) &&
           text_end(&made->raw.ends, &made->raw.data);
}

/* Whether a record is read here, and if so, its table; -1 if not. */
static int look(const Spec *spec, PyObject *value, PyObject *headers, Py_ssize_t most_bytes, Record *record) {
    if (!PyBytes_Check(value) || PyBytes_GET_SIZE(value) > most_bytes || !PyTuple_Check(headers)) return -1;
    if (PyTuple_GET_SIZE(headers)) return -1; /* they may say what it is */
    if (!read_record(spec, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), record)) return -1;
    if (record->foreign && !is_utf8(value)) return -1;
    return table_of(spec, record);
}

static int add_place(PyObject *rest, Py_ssize_t i) {
    PyObject *place = PyLong_FromSsize_t(i);
    int failed = !place || PyList_Append(rest, place);
    Py_XDECREF(place);
    return !failed;
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

/* read_plain(spec, values, headers, most_bytes): what was made of each table, and the places of the others. */
static PyObject *read_plain(PyObject *self, PyObject *arguments) {
    PyObject *capsule, *values, *headers, *result = NULL, *tables = NULL, *rest = PyList_New(0);
    Py_ssize_t most_bytes, size = 0;
    Record *record = calloc(1, sizeof(Record));
    Made *made = calloc(MAX_TABLES, sizeof(Made));
    if (!record || !made || !rest) {
        PyErr_NoMemory();
        goto done;
    }
    if (!PyArg_ParseTuple(arguments, "OO!O!n", &capsule, &PyList_Type, &values, &PyList_Type, &headers, &most_bytes))
        goto done;
    const Spec *spec = PyCapsule_GetPointer(capsule, "ingest.spec");
    if (!spec) goto done;
    if (PyList_GET_SIZE(values) != PyList_GET_SIZE(headers)) {
        PyErr_SetString(PyExc_ValueError, "there must be as many headers as values");
        goto done;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(values); i++) {
        PyObject *value = PyList_GET_ITEM(values, i);
        Py_ssize_t room = MOST_AT_ONCE - size;
        int table = look(spec, value, PyList_GET_ITEM(headers, i), most_bytes < room ? most_bytes : room, record);
        if (table < 0) {
            if (!add_place(rest, i)) goto done;
        } else if (keep(&spec->table[table], &made[table], record, value, i)) {
            size += PyBytes_GET_SIZE(value);
        } else {
            PyErr_NoMemory();
            goto done;
        }
    }
    tables = tables_made(spec, made);
    if (tables) result = PyTuple_Pack(2, tables, rest);
done:
    Py_XDECREF(tables), Py_XDECREF(rest);
    for (int t = 0; made && t < MAX_TABLES; t++) free_made(&made[t]);
    free(made), free(record);
    return result;
}

static PyMethodDef methods[] = {
    {"split", split, METH_VARARGS, "Split the records of a batch; None where it is in doubt."},
    {"prepare", prepare, METH_VARARGS, "Take in the columns of the tables."},
    {"read_plain", read_plain, METH_VARARGS, "Read plain records into columns, and name the places of the others."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_quick", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__quick(void) { return PyModule_Create(&module); }
