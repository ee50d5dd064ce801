"""What Python's exact arithmetic says of two numbers: one line of answers for each line `one two double`."""

import sys
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, setcontext
from fractions import Fraction

setcontext(Context(prec=2000, Emax=10**6, Emin=-(10**6)))
FAULT = "fault"


def short(number):
    """In 38 digits, or not at all."""
    return number == 0 or len(number.normalize().as_tuple().digits) <= 38


def answer(number):
    return format(number.normalize(), "f") if short(number) else FAULT


def divided(one, two):
    if two == 0:
        return FAULT
    exact = Fraction(one) / Fraction(two)
    rest = exact.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return FAULT if rest != 1 else answer(Decimal(exact.numerator) / Decimal(exact.denominator))


def left(one, two):
    if two == 0:
        return FAULT
    unit = min(n.normalize().as_tuple().exponent for n in (one, two) if n != 0 or n is two)
    if any(abs(n.scaleb(-unit)) >= 2**127 for n in (one, two)):
        return FAULT
    return answer(one % two)


def written(text):
    """The decimal number that a double stands for; of two shortest texts the one that was given."""
    double = float(text)
    return Decimal(double) if double == int(double) and abs(double) < 2**64 else Decimal(text)


def order(one, two):
    return str((one > two) - (one < two))


def scientific(number, places):
    # Python writes a zero with the exponent that it came with.
    mantissa, exponent = f"{number or 0.0:.{places}e}".split("e")
    return f"{mantissa}e{exponent[0]}{int(exponent[1:]):02}"


for line in sys.stdin:
    texts = line.split()
    one, two = (Decimal(text) for text in texts[:2])
    near = float(texts[0])
    sound = short(one) and short(two)
    whole = lambda how: answer(one.quantize(Decimal(1), how)) if short(one) else FAULT
    print(
        order(one, two),
        order(one, written(texts[2])),
        answer(one + two) if sound else FAULT,
        answer(one - two) if sound else FAULT,
        answer(one * two) if sound else FAULT,
        divided(one, two) if sound else FAULT,
        left(one, two) if sound else FAULT,
        whole(ROUND_HALF_UP),
        whole(ROUND_FLOOR),
        whole(ROUND_CEILING),
        whole(ROUND_DOWN),
        format(one.quantize(Decimal("0.001"), ROUND_HALF_EVEN), "f") if short(one) else FAULT,
        scientific(one, 4) if short(one) else FAULT,
        FAULT if near in (float("inf"), -float("inf")) else near.hex(),
    )
