"""Changes of texts, bytes and JSON values in a few places."""

NUMBERS = ["0", "-0", "1", "-1", "2", "3", "7", "255", "256", "65535", "65536", "2147483647", "2147483648",
           "4294967295", "4294967296", "1099511627776", "4611686018427387904", "9223372036854775807",
           "9223372036854775808", "18446744073709551616", "99999999999999999999999999", "1e9", "1e18", "1e300",
           "1e308", "1e309", "-1e308", "1e-300", "5e-324", "0.5", "nan", "inf", "-inf", "1e", ".", "0x10", "1_0",
           "٣", "1 ", "+1", "true", "null", "~", ""]
TEXTS = ["", " ", "\n", "\t", "\x1b[2J", "\x9b31m", "\u202eabc", "\x7f", "\ufeff", "a" * 300, "é" * 200, "..", "/",
         "'", '"', "\\", "%s%n", "${HOME}", "-", "--", "=", "*", "...", "->", "|", "(", ")", ",", ":", "{", "[",
         "[" * 2000, "{" * 2000, "(" * 500, "\U0001f600", "NaN", "None"]


def changed_text(random, text):
    """One place of a text: a number becomes another, or something is put in, left out, doubled or exchanged."""
    places = []
    start = None
    for i, c in enumerate(text + " "):
        if c.isdigit() and start is None:
            start = i
        elif not (c.isdigit() or c in ".e-") and start is not None:
            places.append((start, i))
            start = None
    kind = random.randrange(7)
    if kind < 3 and places:
        a, b = random.choice(places)
        return text[:a] + random.choice(NUMBERS) + text[b:]
    a = random.randint(0, len(text))
    b = min(len(text), a + random.choice([0, 1, 1, 2, 5, 20]))
    if kind == 3:
        return text[:a] + random.choice(TEXTS) + text[b:]
    if kind == 4:
        return text[:a] + text[b:]
    if kind == 5:
        return text[:b] + text[a:b] * random.choice([1, 2, 100]) + text[b:]
    c = random.randint(0, len(text))
    return text[:a] + text[c:c + 10] + text[b:]


def changed_bytes(random, data):
    data = bytearray(data)
    for _ in range(random.choice([1, 1, 2, 4])):
        a = random.randint(0, len(data))
        # Headers are at the beginning, and what they say is what matters.
        if random.random() < 0.7:
            a = min(a, random.randint(0, 200))
        b = min(len(data), a + random.choice([1, 1, 2, 4, 8, 40]))
        kind = random.randrange(8)
        if kind == 0 and a < len(data):
            data[a] ^= 1 << random.randrange(8)
        elif kind == 1:
            data[a:b] = bytes([random.choice([0, 255, 127, 128, 57, 32])]) * (b - a)
        elif kind == 2:
            data[a:b] = random.randbytes(b - a)
        elif kind == 3:
            del data[a:b]
        elif kind == 4:
            data[a:a] = data[a:b] * random.choice([1, 2, 50])
        elif kind == 5:
            del data[a:]
        elif kind == 6:
            data += bytes(random.choice([1, 3, 64, 5000]))
        else:
            # Read as text, one byte a character: numbers of headers change their length.
            data = bytearray(changed_text(random, data[:400].decode("latin1")).encode("utf8", "replace")
                             + data[400:])
    return bytes(data)


def changed_value(random, value):
    """A JSON value with one part of it exchanged."""
    others = [None, True, [], {}, "", "x", "\x1b[2J", 0, -1, 0.5, 1e300, 1e-300, 5e-324, 10 ** 12, 1 << 31, 1 << 62,
              (1 << 63) - 1, 1 << 64, -(1 << 63), [1], [[]], {"x": 1}, 2, 3, "ij,jk->ik", "h"]
    if isinstance(value, dict) and value and random.random() < 0.85:
        key = random.choice(sorted(value))
        kind = random.randrange(8)
        result = dict(value)
        if kind == 0:
            del result[key]
        elif kind == 1:
            result[key + random.choice(["s", "\x1b", " "])] = value[key]
        else:
            result[key] = changed_value(random, value[key])
        return result
    if isinstance(value, list) and value and random.random() < 0.85:
        index = random.randrange(len(value))
        kind = random.randrange(8)
        result = list(value)
        if kind == 0:
            del result[index]
        elif kind == 1:
            result.insert(index, random.choice(others))
        else:
            result[index] = changed_value(random, value[index])
        return result
    if isinstance(value, str) and random.random() < 0.7:
        return changed_text(random, value)
    return random.choice(others)
