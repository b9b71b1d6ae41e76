from tests.campaign.world import Figures


def piece(number, pieces, size=None, names=()):
    return Figures()
