/* SHA-256 of records by OpenSSL's libcrypto, where Python's own hashlib has it in this process; hashlib makes an object
   of each record and of each digest, which costs as much again as the hashing. */
#pragma once
#include <dlfcn.h>
#include "unpack.h"

enum { DIGEST = 32, CONTEXT = 512 }; /* a SHA256_CTX has 112 bytes */

typedef struct {
    int (*init)(void *context);
    int (*update)(void *context, const void *data, size_t size);
    int (*final)(unsigned char *digest, void *context);
} Sha256;

/* Nothing is loaded here: a library that hashlib does not use is not used. */
static int find_sha256(Sha256 *found) {
    static const char *names[] = {"libcrypto.so.3", "libcrypto.3.dylib"};
    void *library = NULL;
    for (size_t i = 0; !library && i < sizeof names / sizeof *names; i++)
        library = dlopen(names[i], RTLD_LAZY | RTLD_NOLOAD);
    if (!library) return 0;
    *(void **)&found->init = dlsym(library, "SHA256_Init");
    *(void **)&found->update = dlsym(library, "SHA256_Update");
    *(void **)&found->final = dlsym(library, "SHA256_Final");
    dlclose(library); /* hashlib holds it */
    return found->init && found->update && found->final;
}

/* digests(data, places): the digests one after another; of nothing for a record without a value. None where the library
   is not there. ValueError for a place beyond the data. */
static PyObject *digests(PyObject *self, PyObject *arguments) {
    Py_buffer data, places;
    Sha256 sha256;
    if (!find_sha256(&sha256)) Py_RETURN_NONE;
    if (!PyArg_ParseTuple(arguments, "y*y*", &data, &places)) return NULL;
    Py_ssize_t count = places.len / (Py_ssize_t)sizeof(Place);
    PyObject *made = PyBytes_FromStringAndSize(NULL, count * DIGEST);
    for (Py_ssize_t i = 0; made && i < count; i++) {
        _Alignas(16) unsigned char context[CONTEXT];
        Place place;
        memcpy(&place, (const char *)places.buf + i * (Py_ssize_t)sizeof place, sizeof place);
        size_t size = place.value_size < 0 ? 0 : (size_t)place.value_size;
        if (size && !lies_in(&data, place.value, place.value_size)) {
            PyErr_SetString(PyExc_ValueError, "a record lies beyond its batch");
            Py_CLEAR(made);
            break;
        }
        const char *value = (const char *)data.buf + (size ? place.value : 0);
        unsigned char *digest = (unsigned char *)PyBytes_AS_STRING(made) + i * DIGEST;
        if (!sha256.init(context) || !sha256.update(context, value, size) || !sha256.final(digest, context)) {
            PyErr_SetString(PyExc_RuntimeError, "libcrypto does not hash");
            Py_CLEAR(made);
        }
    }
    PyBuffer_Release(&data), PyBuffer_Release(&places);
    return made;
}
