/* What a reader knows of the tables: names, types, and the words that a column may hold. */
#pragma once
#include "shared.h"

enum { TEXT, WORD, TIME, INTEGER, REAL, TRUTH, LIST, OBJECT };
enum { MAX_NAMES = 128, MAX_TABLES = 4, HASH = 1024, MAX_ITEMS = 4096, MAX_DEPTH = 64, MAX_NUMBER = 40 };

typedef struct {
    int kind, required;
    int64_t low, high;
    PyObject *words; /* a tuple of bytes: what a WORD may be */
} Column;

typedef struct {
    Column column[MAX_NAMES];
    int16_t of_name[MAX_NAMES]; /* the column of each name; -1 where the table has none */
    PyObject *names[MAX_NAMES];
    int count, required;
} Table;

typedef struct {
    PyObject *names[MAX_NAMES];
    int count;
    int16_t slot[HASH];
    Table table[MAX_TABLES];
    int tables;
    int decision, decision_time, event_type; /* names */
    PyObject *identity;                      /* a tuple of bytes: event types of the third table */
    PyObject *silent;                        /* a tuple of bytes: headers that do not say what a record is */
} Spec;

/* Names differ enough in their length and three of their letters; all of a name is compared after that. */
static unsigned hash_of(const char *name, Py_ssize_t length) {
    if (!length) return 0;
    const unsigned char *letter = (const unsigned char *)name;
    unsigned mixed = (unsigned)length * 37u + letter[0] * 7u + letter[length / 2] * 61u + letter[length - 1] * 149u;
    return mixed & (HASH - 1);
}

static int is_name(const Spec *spec, int name, const char *text, Py_ssize_t length) {
    return PyBytes_GET_SIZE(spec->names[name]) == length &&
           !memcmp(PyBytes_AS_STRING(spec->names[name]), text, (size_t)length);
}

static int name_of(const Spec *spec, const char *name, Py_ssize_t length) {
    for (unsigned h = hash_of(name, length);; h = (h + 1) & (HASH - 1)) {
        int found = spec->slot[h];
        if (found < 0) return -1;
        if (is_name(spec, found, name, length)) return found;
    }
}

static int among(PyObject *words, const char *text, Py_ssize_t length) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(words); i++) {
        PyObject *word = PyTuple_GET_ITEM(words, i);
        if (PyBytes_GET_SIZE(word) == length && !memcmp(PyBytes_AS_STRING(word), text, (size_t)length)) return 1;
    }
    return 0;
}

static void free_spec(PyObject *capsule) {
    Spec *spec = PyCapsule_GetPointer(capsule, "ingest.spec");
    for (int n = 0; n < spec->count; n++) Py_DECREF(spec->names[n]);
    for (int t = 0; t < spec->tables; t++)
        for (int c = 0; c < spec->table[t].count; c++)
            Py_DECREF(spec->table[t].column[c].words), Py_DECREF(spec->table[t].names[c]);
    Py_XDECREF(spec->identity), Py_XDECREF(spec->silent);
    free(spec);
}

static int add_name(Spec *spec, PyObject *name) {
    int found = name_of(spec, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name));
    if (found >= 0 || spec->count == MAX_NAMES) return found;
    unsigned h = hash_of(PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name));
    while (spec->slot[h] >= 0) h = (h + 1) & (HASH - 1);
    spec->names[spec->count] = Py_NewRef(name);
    spec->slot[h] = (int16_t)spec->count;
    return spec->count++;
}

/* prepare(tables, identity, silent): tables is a list of lists of (name, kind, required, words, low, high). */
static PyObject *prepare(PyObject *self, PyObject *arguments) {
    PyObject *tables, *identity, *silent;
    if (!PyArg_ParseTuple(arguments, "O!O!O!", &PyList_Type, &tables, &PyTuple_Type, &identity, &PyTuple_Type, &silent))
        return NULL;
    Spec *spec = calloc(1, sizeof(Spec));
    if (!spec) return PyErr_NoMemory();
    memset(spec->slot, 0xff, sizeof spec->slot);
    PyObject *capsule = PyCapsule_New(spec, "ingest.spec", free_spec);
    if (!capsule) {
        free(spec);
        return NULL;
    }
    spec->identity = Py_NewRef(identity), spec->silent = Py_NewRef(silent);
    for (Py_ssize_t t = 0; t < PyList_GET_SIZE(tables); t++) {
        PyObject *columns = PyList_GET_ITEM(tables, t);
        if (t == MAX_TABLES || !PyList_Check(columns)) goto wrong;
        Table *table = &spec->table[spec->tables++];
        memset(table->of_name, 0xff, sizeof table->of_name);
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(columns); i++) {
            PyObject *name, *words;
            int kind, required;
            long long low, high;
            if (!PyArg_ParseTuple(PyList_GET_ITEM(columns, i), "SipO!LL", &name, &kind, &required, &PyTuple_Type,
                                  &words, &low, &high))
                goto failed;
            int n = add_name(spec, name);
            if (n < 0) goto wrong;
            table->of_name[n] = (int16_t)table->count;
            table->names[table->count] = Py_NewRef(name);
            table->column[table->count++] = (Column){kind, required, low, high, Py_NewRef(words)};
            table->required += required;
        }
    }
    spec->decision = name_of(spec, "decision", 8);
    spec->decision_time = name_of(spec, "decision_time", 13);
    spec->event_type = name_of(spec, "event_type", 10);
    if (spec->tables == 3 && spec->decision >= 0 && spec->decision_time >= 0 && spec->event_type >= 0) return capsule;
wrong:
    PyErr_SetString(PyExc_ValueError, "not the tables of the native format");
failed:
    Py_DECREF(capsule);
    return NULL;
}
