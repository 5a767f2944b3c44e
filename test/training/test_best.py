from mivla_ros.training.best import Best


def test_more_success_wins_whatever_the_loss() -> None:
    assert Best(2, 0.9, success=0.5).replaces(Best(1, 0.1, success=0.4))
    assert not Best(2, 0.1, success=0.4).replaces(Best(1, 0.9, success=0.5))


def test_among_equals_the_lower_loss_wins_and_then_the_later() -> None:
    assert not Best(2, 0.3, success=0.5).replaces(Best(1, 0.2, success=0.5))
    assert Best(2, 0.2, success=0.5).replaces(Best(1, 0.3, success=0.5))
    assert Best(2, 0.2, success=0.5).replaces(Best(1, 0.2, success=0.5))
    assert Best(2, success=0.5).replaces(Best(1, success=0.5))


def test_one_that_was_not_played_is_worth_its_loss_until_one_has_succeeded() -> None:
    assert not Best(2, 0.3, success=0.0).replaces(Best(1, 0.2))
    assert Best(2, 0.2).replaces(Best(1, 0.3, success=0.0))
    assert not Best(2, 0.1).replaces(Best(1, 0.3, success=0.1))
    assert Best(2, 0.9, success=0.1).replaces(Best(1, 0.1))


def test_the_first_is_the_best_and_says_what_it_is() -> None:
    assert Best(3, 0.25, 0.5).replaces(None)
    assert str(Best(3, 0.25, 0.5)) == "step 3, success 50 %, validation loss 0.2500"
    assert str(Best(3, 0.25)) == "step 3, validation loss 0.2500"
