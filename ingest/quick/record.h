/* Reading one record into slots, one for each name: a JSON object whose keys are names and come once each. */
#pragma once
#include "spec.h"

enum { NOTHING, IS_TEXT, IS_NULL, IS_TRUE, IS_FALSE, IS_NUMBER, IS_LIST, IS_OBJECT };

typedef struct {
    const char *text;
    Py_ssize_t length;
} Text;

typedef struct {
    int kind;
    Text text;
    int first, items;
    int64_t whole;
    double real;
} Slot;

/* `next` is the name that came after each name the last time, as records of one source have one order of keys. */
typedef struct {
    Slot slot[MAX_NAMES];
    int next[MAX_NAMES + 1];
    int used[MAX_NAMES], count;
    Text item[MAX_ITEMS];
    int items, foreign; /* foreign: it has bytes beyond ASCII */
} Record;

typedef struct {
    const char *at, *end;
} Reading;

static void skip(Reading *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t')) r->at++;
}

static int take(Reading *r, char wanted) {
    skip(r);
    if (r->at >= r->end || *r->at != wanted) return 0;
    r->at++;
    return 1;
}

/* Which of eight bytes end a text or are not allowed in one: a quote, a backslash, a control character. */
static uint64_t stops(uint64_t eight) {
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones * 128;
    uint64_t quote = eight ^ ones * '"', backslash = eight ^ ones * '\\';
    return (((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) | ((eight - ones * 32) & ~eight)) & high;
}

/* A text without escapes; the opening quote is behind. */
static int read_text(Reading *r, Text *text, int *foreign) {
    const char *at = r->at, *end = r->end;
    uint64_t eight, seen = 0;
    for (; end - at >= 8; at += 8) {
        memcpy(&eight, at, 8);
        if (stops(eight)) break;
        seen |= eight;
    }
    for (; at < end; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte == '"') {
            *text = (Text){r->at, at - r->at};
            *foreign |= (seen & UINT64_C(0x8080808080808080)) != 0;
            r->at = at + 1;
            return 1;
        }
        if (byte < 32 || byte == '\\') return 0;
        seen |= byte;
    }
    return 0;
}

static int read_word(Reading *r, const char *word) {
    size_t length = strlen(word);
    if ((size_t)(r->end - r->at) < length || memcmp(r->at, word, length)) return 0;
    r->at += length;
    return 1;
}

static int digits(Reading *r) {
    const char *start = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') r->at++;
    return (int)(r->at - start < MAX_NUMBER ? r->at - start : MAX_NUMBER);
}

/* A number by the grammar of JSON. `whole` tells whether it has neither fraction nor exponent. */
static int read_number(Reading *r, Slot *slot) {
    const char *start = r->at;
    if (*r->at == '-') r->at++;
    const char *first = r->at;
    int count = digits(r);
    if (!count || (count > 1 && *first == '0')) return 0;
    slot->whole = 1;
    if (r->at < r->end && *r->at == '.') {
        r->at++, slot->whole = 0;
        if (!digits(r)) return 0;
    }
    if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
        r->at++, slot->whole = 0;
        if (r->at < r->end && (*r->at == '+' || *r->at == '-')) r->at++;
        if (!digits(r)) return 0;
    }
    slot->kind = IS_NUMBER;
    slot->text = (Text){start, r->at - start};
    return 1;
}

static int read_list(Reading *r, Slot *slot, Record *record) {
    slot->kind = IS_LIST, slot->first = record->items, slot->items = 0;
    if (take(r, ']')) return 1;
    do {
        if (record->items == MAX_ITEMS || !take(r, '"')) return 0;
        if (!read_text(r, &record->item[record->items++], &record->foreign)) return 0;
        slot->items++;
    } while (take(r, ','));
    return take(r, ']');
}

/* The stretch of an object, for the JSON parser to read: only its texts and its brackets matter here. */
static int read_object(Reading *r, Slot *slot, Record *record) {
    const char *start = r->at - 1;
    for (int depth = 1; r->at < r->end;) {
        unsigned char byte = (unsigned char)*r->at++;
        record->foreign |= byte > 127;
        if (byte == '"') {
            for (; r->at < r->end && *r->at != '"'; r->at++) {
                record->foreign |= (unsigned char)*r->at > 127;
                if (*r->at == '\\') r->at++;
            }
            if (r->at >= r->end) return 0;
            r->at++;
        } else if (byte == '{' || byte == '[') {
            if (++depth > MAX_DEPTH) return 0;
        } else if ((byte == '}' || byte == ']') && --depth == 0) {
            slot->kind = IS_OBJECT;
            slot->text = (Text){start, r->at - start};
            return 1;
        }
    }
    return 0;
}

static int read_value(Reading *r, Slot *slot, Record *record) {
    skip(r);
    if (r->at >= r->end) return 0;
    switch (*r->at) {
    case '"':
        r->at++, slot->kind = IS_TEXT;
        return read_text(r, &slot->text, &record->foreign);
    case '[':
        r->at++;
        return read_list(r, slot, record);
    case '{':
        r->at++;
        return read_object(r, slot, record);
    case 'n':
        slot->kind = IS_NULL;
        return read_word(r, "null");
    case 't':
        slot->kind = IS_TRUE;
        return read_word(r, "true");
    case 'f':
        slot->kind = IS_FALSE;
        return read_word(r, "false");
    default:
        return (*r->at == '-' || (*r->at >= '0' && *r->at <= '9')) && read_number(r, slot);
    }
}

/* The name after another one (after none: MAX_NAMES), which is mostly the one that came after it before. */
static int name_after(const Spec *spec, Record *record, int last, Text key) {
    int guess = record->next[last];
    if (guess < spec->count && is_name(spec, guess, key.text, key.length)) return guess;
    int name = name_of(spec, key.text, key.length);
    if (name >= 0) record->next[last] = name;
    return name;
}

/* One object, whose keys are names and come once each. */
static int read_record(const Spec *spec, const char *text, Py_ssize_t length, Record *record) {
    Reading r = {text, text + length};
    for (int i = 0; i < record->count; i++) record->slot[record->used[i]].kind = NOTHING;
    record->count = record->items = record->foreign = 0;
    if (!take(&r, '{')) return 0;
    int name = MAX_NAMES;
    do {
        Text key;
        if (!take(&r, '"') || !read_text(&r, &key, &record->foreign)) return 0;
        name = name_after(spec, record, name, key);
        if (name < 0 || record->slot[name].kind != NOTHING || !take(&r, ':')) return 0;
        record->used[record->count++] = name;
        /* Marked before it is read, so that it is cleared whatever comes of it. */
        if (!read_value(&r, &record->slot[name], record)) return 0;
    } while (take(&r, ','));
    if (!take(&r, '}')) return 0;
    skip(&r);
    return r.at == r.end;
}
