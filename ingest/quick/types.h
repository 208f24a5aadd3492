/* Checking the types of a record as strictly as the reader of the native format, and choosing its table as that does. */
#pragma once
#include "record.h"

static int number_at(const char *text, int count) {
    int number = 0;
    for (int i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9') return -1;
        number = number * 10 + (text[i] - '0');
    }
    return number;
}

/* `Z`, or an offset such as `+01:00`, in minutes. */
static int zone_of(const char *s, Py_ssize_t length, int *minutes) {
    *minutes = 0;
    if (length == 1) return *s == 'Z';
    if (length != 6 || (*s != '+' && *s != '-') || s[3] != ':') return 0;
    int hour = number_at(s + 1, 2), minute = number_at(s + 4, 2);
    *minutes = (*s == '-' ? -1 : 1) * (hour * 60 + minute);
    return hour >= 0 && hour <= 23 && minute >= 0 && minute <= 59;
}

/* `2026-01-31T12:00:00`, at most six digits of a second, and a zone, as microseconds since 1970. The first and the last
   year, beyond which an offset may lead, are left. */
static int time_of(Text t, int64_t *micros) {
    static const int days_before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    const char *s = t.text;
    if (t.length < 20 || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':') return 0;
    int year = number_at(s, 4), month = number_at(s + 5, 2), day = number_at(s + 8, 2);
    int hour = number_at(s + 11, 2), minute = number_at(s + 14, 2), second = number_at(s + 17, 2);
    if (year < 2 || year > 9998 || month < 1 || month > 12 || day < 1 || hour < 0 || hour > 23) return 0;
    if (minute < 0 || minute > 59 || second < 0 || second > 59) return 0;
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > days_before[month] - days_before[month - 1] + (leap && month == 2)) return 0;
    Py_ssize_t at = 19;
    int fraction = 0;
    if (s[at] == '.') {
        int count = 0;
        for (at++; at < t.length && s[at] >= '0' && s[at] <= '9'; at++, count++)
            if (count < 6) fraction = fraction * 10 + (s[at] - '0');
        if (count < 1 || count > 6) return 0;
        for (; count < 6; count++) fraction *= 10;
    }
    int minutes;
    if (!zone_of(s + at, t.length - at, &minutes)) return 0;
    int64_t past = year - 1;
    int64_t days = past * 365 + past / 4 - past / 100 + past / 400 - 719162;
    days += days_before[month - 1] + (leap && month > 2) + day - 1;
    *micros = (((days * 24 + hour) * 60 + minute - minutes) * 60 + second) * 1000000 + fraction;
    return 1;
}

static int whole_of(const Column *column, Slot *slot) {
    const char *s = slot->text.text;
    int minus = *s == '-';
    if (!slot->whole || slot->text.length - minus > 18) return 0;
    int64_t number = 0;
    for (Py_ssize_t i = minus; i < slot->text.length; i++) number = number * 10 + (s[i] - '0');
    slot->whole = minus ? -number : number;
    return slot->whole >= column->low && slot->whole <= column->high;
}

static int real_of(Slot *slot) {
    char copy[MAX_NUMBER + 1];
    if (slot->text.length > MAX_NUMBER || (slot->text.text[0] == '-' && slot->text.text[1] == '0')) return 0;
    memcpy(copy, slot->text.text, (size_t)slot->text.length);
    copy[slot->text.length] = 0;
    slot->real = PyOS_string_to_double(copy, NULL, NULL);
    if (PyErr_Occurred()) {
        PyErr_Clear();
        return 0;
    }
    return slot->real - slot->real == 0;
}

static int fits(const Column *column, Slot *slot) {
    if (slot->kind == IS_NULL) return !column->required;
    switch (column->kind) {
    case TEXT:
        return slot->kind == IS_TEXT && (slot->text.length || !column->required);
    case WORD:
        return slot->kind == IS_TEXT && among(column->words, slot->text.text, slot->text.length);
    case TIME:
        return slot->kind == IS_TEXT && time_of(slot->text, &slot->whole);
    case INTEGER:
        return slot->kind == IS_NUMBER && whole_of(column, slot);
    case REAL:
        return slot->kind == IS_NUMBER && real_of(slot);
    case TRUTH:
        slot->whole = slot->kind == IS_TRUE;
        return slot->kind == IS_TRUE || slot->kind == IS_FALSE;
    case LIST:
        return slot->kind == IS_LIST;
    default:
        return slot->kind == IS_OBJECT;
    }
}

/* The table of a record by its keys, if its values are of that table's types; -1 otherwise. */
static int table_of(const Spec *spec, Record *record) {
    const Slot *type = &record->slot[spec->event_type];
    int number = 0, required = 0;
    if (record->slot[spec->decision].kind || (record->slot[spec->decision_time].kind && !type->kind))
        number = 1;
    else if (type->kind == IS_TEXT && among(spec->identity, type->text.text, type->text.length))
        number = 2;
    const Table *table = &spec->table[number];
    for (int i = 0; i < record->count; i++) {
        int c = table->of_name[record->used[i]];
        if (c < 0 || !fits(&table->column[c], &record->slot[record->used[i]])) return -1;
        required += table->column[c].required;
    }
    return required == table->required ? number : -1;
}
