from gateway.demo.reactions import CONVERTED_RATIO, OPENED_RATIO, reactions_to


def test_a_push_has_the_same_fate_whenever_it_is_asked() -> None:
    assert [reactions_to(f"p{n}") for n in range(50)] == [reactions_to(f"p{n}") for n in range(50)]


def test_some_open_some_of_them_buy_and_few_have_enough() -> None:
    fates = [reactions_to(f"p{n}") for n in range(20_000)]
    opened = [fate for fate in fates if fate and fate[0].name == "opened"]
    bought = [fate for fate in opened if len(fate) == 2]
    assert abs(len(opened) / len(fates) - OPENED_RATIO) < 0.02
    assert abs(len(bought) / len(opened) - CONVERTED_RATIO) < 0.02
    assert 0 < sum(fate[0].name == "opted_out" for fate in fates if fate) < 300
    for look, purchase in bought:
        assert look.after_s < purchase.after_s
        assert (look.value, purchase.name) == (0.0, "converted")
        assert purchase.value > 0
