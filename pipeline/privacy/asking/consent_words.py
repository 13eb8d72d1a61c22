"""What people read who say what they agree to: pages and mails in English, Spanish and Portuguese."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.settings.consent_settings import LANGUAGES

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "confirm_title": "Please confirm",
        "confirm_ask": "You asked for: {question}. Press the button to confirm that it was you.",
        "confirm_button": "Yes, that was me",
        "confirmed": "Thank you, that is confirmed.",
        "already": "This was confirmed already. There is nothing left to do.",
        "expired": "This link has expired. Fill in the form once more to get a new one.",
        "unknown": "This link is not known here. Take it from the mail as a whole.",
        "preferences_title": "What you agree to",
        "preferences_ask": "Choose what we may do. You can change it at any time with the same link.",
        "yes": "Yes",
        "no": "No",
        "save": "Save",
        "stop_all": "Stop everything",
        "saved": "Saved. It takes effect at once.",
        "stopped": "You will hear no more of: {question}.",
        "nothing": "There is nothing to choose.",
        "mail_subject": "Please confirm: {question}",
        "mail_body": (
            "You, or somebody with your address, asked for: {question}.\n\n"
            "If it was you, open this link and press the button:\n\n{link}\n\n"
            "It holds for seven days. If it was not you, do nothing: then nothing is sent to you.\n"
        ),
        "by": "{purpose} by {channel}",
    },
    "es": {
        "confirm_title": "Confirma, por favor",
        "confirm_ask": "Has pedido: {question}. Pulsa el botón para confirmar que has sido tú.",
        "confirm_button": "Sí, he sido yo",
        "confirmed": "Gracias, ha quedado confirmado.",
        "already": "Ya estaba confirmado. No tienes que hacer nada más.",
        "expired": "Este enlace ha caducado. Rellena el formulario otra vez para recibir uno nuevo.",
        "unknown": "Este enlace no se conoce aquí. Cópialo entero del correo.",
        "preferences_title": "Lo que aceptas",
        "preferences_ask": "Elige lo que podemos hacer. Puedes cambiarlo cuando quieras con el mismo enlace.",
        "yes": "Sí",
        "no": "No",
        "save": "Guardar",
        "stop_all": "Detenerlo todo",
        "saved": "Guardado. Vale desde ahora.",
        "stopped": "No recibirás más: {question}.",
        "nothing": "No hay nada que elegir.",
        "mail_subject": "Confirma, por favor: {question}",
        "mail_body": (
            "Tú, o alguien con tu dirección, ha pedido: {question}.\n\n"
            "Si has sido tú, abre este enlace y pulsa el botón:\n\n{link}\n\n"
            "Vale siete días. Si no has sido tú, no hagas nada: no se te enviará nada.\n"
        ),
        "by": "{purpose} por {channel}",
    },
    "pt": {
        "confirm_title": "Confirme, por favor",
        "confirm_ask": "Você pediu: {question}. Aperte o botão para confirmar que foi você.",
        "confirm_button": "Sim, fui eu",
        "confirmed": "Obrigado, está confirmado.",
        "already": "Já estava confirmado. Não é preciso fazer mais nada.",
        "expired": "Este link expirou. Preencha o formulário de novo para receber outro.",
        "unknown": "Este link não é conhecido aqui. Copie-o inteiro do e-mail.",
        "preferences_title": "O que você aceita",
        "preferences_ask": "Escolha o que podemos fazer. Você pode mudar quando quiser com o mesmo link.",
        "yes": "Sim",
        "no": "Não",
        "save": "Salvar",
        "stop_all": "Parar tudo",
        "saved": "Salvo. Vale a partir de agora.",
        "stopped": "Você não receberá mais: {question}.",
        "nothing": "Não há nada para escolher.",
        "mail_subject": "Confirme, por favor: {question}",
        "mail_body": (
            "Você, ou alguém com o seu endereço, pediu: {question}.\n\n"
            "Se foi você, abra este link e aperte o botão:\n\n{link}\n\n"
            "Ele vale sete dias. Se não foi você, não faça nada: nada será enviado a você.\n"
        ),
        "by": "{purpose} por {channel}",
    },
}
_CHANNELS: Mapping[str, Mapping[str, str]] = {
    "en": {"email": "e-mail", "phone": "phone", "sms": "SMS", "whatsapp": "WhatsApp", "post": "post", "any": "any way"},
    "es": {"email": "correo", "phone": "teléfono", "sms": "SMS", "post": "carta", "any": "cualquier vía"},
    "pt": {"email": "e-mail", "phone": "telefone", "sms": "SMS", "post": "carta", "any": "qualquer via"},
}
_PURPOSES: Mapping[str, Mapping[str, str]] = {
    "en": {"marketing": "News and offers", "newsletter": "Newsletter", "sale_or_share": "Sale or sharing of your data"},
    "es": {"marketing": "Novedades y ofertas", "newsletter": "Boletín", "sale_or_share": "Venta o cesión de tus datos"},
    "pt": {
        "marketing": "Novidades e ofertas",
        "newsletter": "Boletim",
        "sale_or_share": "Venda ou partilha dos seus dados",
    },
}


def language_of(*wishes: str | None) -> str:
    """The first of LANGUAGES that a wish names: a language (`pt-BR`), or a header Accept-Language. English if none."""
    for wish in wishes:
        for part in sorted((wish or "").split(","), key=_weight, reverse=True):
            code = part.partition(";")[0].strip().lower()[:2]
            if code in LANGUAGES:
                return code
    return LANGUAGES[0]


def _weight(part: str) -> float:
    _, _, weight = part.partition("q=")
    try:
        return float(weight) if weight else 1.0
    except ValueError:
        return 0.0


def question_words(question: tuple[str, str], language: str, titles: Mapping[str, Mapping[str, str]]) -> str:
    """A question as people read it: as the company calls it (`titles`: PURPOSE.CHANNEL -> language -> words), else in
    words of ours."""
    named = titles.get(".".join(question), {})
    if own := named.get(language) or named.get(LANGUAGES[0]):
        return own
    purpose, channel = question
    return WORDS[language]["by"].format(
        purpose=_PURPOSES[language].get(purpose, purpose.replace("_", " ")),
        channel=_CHANNELS[language].get(channel, channel),
    )
