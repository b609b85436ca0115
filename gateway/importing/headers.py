"""Columns by the names that people give them, in the languages of Google Business Profile's templates.

The template is downloaded in the language of whoever downloads it. Names are compared without case, accents and marks.
Google words them anew at times; a header that is not here can be renamed to the English one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Final

_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "store_code": (
        "store code", "Geschäftscode", "Filialcode", "code de magasin", "code magasin", "code du magasin",
        "código de tienda", "codice negozio", "codice punto vendita", "código da loja", "winkelcode",
        "myymälän koodi", "myymäläkoodi", "liikkeen tunnus", "butikskod", "kod sklepu",
    ),
    "name": (
        "business name", "Name des Unternehmens", "Unternehmensname", "nom de l'établissement", "nom de l'entreprise",
        "nombre de la empresa", "nombre del negocio", "nome dell'attività", "nome da empresa", "bedrijfsnaam",
        "yrityksen nimi", "företagsnamn", "företagets namn", "nazwa firmy",
    ),
    "lat": (
        "latitude", "Breitengrad", "latitud", "latitudine", "breedtegraad", "leveysaste", "leveyspiiri",
        "szerokość geograficzna",
    ),
    "lng": (
        "longitude", "Längengrad", "longitud", "longitudine", "lengtegraad", "pituusaste", "pituuspiiri",
        "długość geograficzna",
    ),
    "address": (
        "address line 1", "Adresszeile 1", "adresse ligne 1", "ligne d'adresse 1", "línea de dirección 1",
        "riga indirizzo 1", "riga dell'indirizzo 1", "linha de endereço 1", "adresregel 1", "osoiterivi 1",
        "adressrad 1", "wiersz adresu 1", "adres, wiersz 1",
    ),
    "postal_code": (
        "postal code", "Postleitzahl", "code postal", "código postal", "codice postale", "postcode", "postinumero",
        "postnummer", "kod pocztowy",
    ),
    "city": (
        "locality", "Ort", "localité", "ville", "localidad", "località", "localidade", "plaats", "paikkakunta", "ort",
        "miejscowość",
    ),
    "phone": (
        "primary phone", "Primäre Telefonnummer", "numéro de téléphone principal", "teléfono principal",
        "telefono principale", "telefone principal", "primair telefoonnummer", "ensisijainen puhelinnumero",
        "primärt telefonnummer", "główny numer telefonu",
    ),
    "category": (
        "primary category", "Primäre Kategorie", "catégorie principale", "categoría principal", "categoria principale",
        "categoria principal", "primaire categorie", "ensisijainen luokka", "primär kategori", "główna kategoria",
    ),
}  # fmt: skip


def folded(name: str) -> str:
    """A column's name without case, accents and what is no letter or digit."""
    plain = unicodedata.normalize("NFKD", name.casefold().replace("ł", "l"))
    return " ".join("".join(c if c.isalnum() else " " for c in plain if not unicodedata.combining(c)).split())


_KNOWN: Final = {folded(alias): name for name, aliases in _NAMES.items() for alias in aliases}


def google_columns(header: list[str]) -> dict[str, str] | None:
    """Our name for each column of a Google Business Profile file, by its own; None where the file is none."""
    ours = {name: _KNOWN[folded(name)] for name in header if folded(name) in _KNOWN}
    return ours if "store_code" in ours.values() else None
